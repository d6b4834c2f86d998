#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// Faults that tests must catch. In the test-only build (TIDEMARK_PLANTED) the environment variable
/// PLANTED_FAULT names the one that this process has; in every other build `planted` is false at
/// compile time and leaves no code. tests/planted says which test catches which; one that none
/// catches fails there.
namespace schemas {

enum class Fault : std::uint8_t {
  none,
  // the journal's writer
  skip_commit_sync,
  acknowledge_before_sync,
  retry_failed_sync,
  write_after_failed_sync,
  answer_unknown_as_refused,
  answer_short_write_as_refused,
  skip_directory_sync,
  stale_durable_end,
  keep_open_count,
  // its opening
  cut_too_much,
  take_corruption_for_torn_tail,
  take_torn_tail_for_corruption,
  keep_cut_tail,
  believe_cached_zeros,
  skip_tail_rewrite,
  // who may write, what counts, when
  ignore_epoch,
  ignore_sequence,
  ignore_chain,
  let_time_fall,
  // rows
  drop_organization_from_keys,
  drop_space_from_keys,
  skip_what_cannot_be_applied,
  refuse_to_fold_deletions,  // what a fold of a broken build does
  apply_twice_after_crash,
  write_position_apart,
  forget_first_answers_on_rebuild,
  skip_at_page_edge,
  // commands and marks
  answer_refusals_at_once,
  keep_failed_overlay,
  accept_foreign_marks,
  // keys
  seal_nothing,
  // outgoing
  guard_checks_first_address_only,
  retry_under_another_id,
  lose_order_on_retry,
  move_cursor_over_unsettled,
  never_release_lanes,
  sign_without_time,
  record_success_whatever_came,
  ignore_retry_after,
  count_redirects_as_success,
  replay_past_its_end,
  make_all_as_it_is_now,
  look_rows_up_as_they_are,
  forget_hops,
  write_sealed_in_clear,
};

inline constexpr std::array<std::string_view, 46> fault_names{
    "none",
    "skip_commit_sync",
    "acknowledge_before_sync",
    "retry_failed_sync",
    "write_after_failed_sync",
    "answer_unknown_as_refused",
    "answer_short_write_as_refused",
    "skip_directory_sync",
    "stale_durable_end",
    "keep_open_count",
    "cut_too_much",
    "take_corruption_for_torn_tail",
    "take_torn_tail_for_corruption",
    "keep_cut_tail",
    "believe_cached_zeros",
    "skip_tail_rewrite",
    "ignore_epoch",
    "ignore_sequence",
    "ignore_chain",
    "let_time_fall",
    "drop_organization_from_keys",
    "drop_space_from_keys",
    "skip_what_cannot_be_applied",
    "refuse_to_fold_deletions",
    "apply_twice_after_crash",
    "write_position_apart",
    "forget_first_answers_on_rebuild",
    "skip_at_page_edge",
    "answer_refusals_at_once",
    "keep_failed_overlay",
    "accept_foreign_marks",
    "seal_nothing",
    "guard_checks_first_address_only",
    "retry_under_another_id",
    "lose_order_on_retry",
    "move_cursor_over_unsettled",
    "never_release_lanes",
    "sign_without_time",
    "record_success_whatever_came",
    "ignore_retry_after",
    "count_redirects_as_success",
    "replay_past_its_end",
    "make_all_as_it_is_now",
    "look_rows_up_as_they_are",
    "forget_hops",
    "write_sealed_in_clear",
};
static_assert(static_cast<std::size_t>(Fault::write_sealed_in_clear) + 1 == fault_names.size());

#ifdef TIDEMARK_PLANTED
bool planted(Fault fault);
#else
constexpr bool planted(Fault /*fault*/) {
  return false;
}
#endif

}  // namespace schemas
