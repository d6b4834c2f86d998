#include "api/cli/journal_scan.h"

#include <algorithm>

#include <fmt/format.h>

namespace api::cli {

using eventstore::Verdict;
using schemas::fail;
using schemas::Result;
namespace journal = eventstore::journal;

Result<void> JournalScan::begin() {
  const auto bases = folder_.bases();
  if (bases.empty()) {
    return fail(schemas::ErrorCode::not_found, folder_.path() + " holds no journal");
  }
  for (const auto base : bases) {
    auto segment = folder_.open(base);
    if (!segment) return fail(std::move(segment).error());
    auto size = segment->file->size();
    if (!size) return fail(std::move(size).error());
    report_.size_bytes += *size;
  }
  auto header = folder_.header(bases.front());
  if (!header) return fail(std::move(header).error());
  segment_.seed = journal::crc_seed(header->id);
  report_.segments = bases.size();
  report_.first_position = report_.end = durable_end_ = header->base;
  if (header->previous_base != journal::SegmentHeader::none) {
    report_.damages.push_back({{header->previous_base, header->base}, std::nullopt});
  }
  return {};
}

Result<ScanReport> JournalScan::run(const Visit& visit, const Progress& progress) {
  if (auto begun = begin(); !begun) return fail(std::move(begun).error());
  journal::JournalReader reader(folder_, segment_.seed, options_.source);
  if (auto there = reader.seek(report_.end, limit()); !there) {
    return fail(std::move(there).error());
  }
  const auto total = options_.limit ? *options_.limit - report_.end : report_.size_bytes;
  constexpr std::uint64_t told_every = 4096;
  for (std::uint64_t count = 0;; ++count) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    if (std::holds_alternative<journal::AtLimit>(*step)) return std::move(report_);
    const auto* good = std::get_if<journal::GoodFrame>(&*step);
    // One of an earlier opening, which was cut off since, is as bad as none.
    if (good != nullptr && good->frame.open_count >= open_count_) {
      enter_segment(reader.segment().base);
      if (!take(*good, visit)) return std::move(report_);
      if (progress && count % told_every == 0) {
        progress(report_.end - report_.first_position, total);
      }
      continue;
    }
    const auto bad = good != nullptr ? good->frame.position : reader.position();
    auto next = behind(bad);
    if (!next) return fail(std::move(next).error());
    if (!*next) return std::move(report_);
    frames_.jump();
    if (auto there = reader.seek(**next, limit()); !there) {
      return fail(std::move(there).error());
    }
  }
}

void JournalScan::enter_segment(std::uint64_t base) {
  if (segment_.base == base) return;
  segment_.base = base;
  const auto successor = folder_.successor(base);
  segment_.sealed = successor && *successor <= limit();
}

bool JournalScan::take(const journal::GoodFrame& good, const Visit& visit) {
  const auto& frame = good.frame;
  report_.end = frame.position + frame.size_bytes();
  durable_end_ = std::max(durable_end_, frame.durable_end);
  open_count_ = frame.open_count;
  if (frame.is(journal::OwnFrame::cover)) ++report_.covers;
  if (frame.is(journal::OwnFrame::closing)) {
    ++report_.closings;
    if (!folder_.has(report_.end)) {
      report_.damages.push_back({{report_.end, journal::position_max}, std::nullopt});
    }
  }
  const bool goes_on = frame.own() || visit_record(good, visit);
  frames_.take(good, states_);
  return goes_on;
}

bool JournalScan::visit_record(const journal::GoodFrame& good, const Visit& visit) {
  const auto& frame = good.frame;
  auto& state = states_[frame.log];
  const auto before = state;
  const bool after_loss = passed_loss_ && frame.offset != state.next_offset;
  if (after_loss) state.lose();
  const auto verdict = state.apply(frame.offset, frame.head, good.payload);
  if (frame.log == eventstore::log_partition && verdict == Verdict::control) {
    if (auto control = schemas::read_control(good.payload)) topics_.apply(*control);
  }
  auto topic = frame.log.topic == eventstore::log_topic ? "log" : topics_.name(frame.log.topic);
  const bool known = frame.log == eventstore::log_partition ||
                     (!topic.empty() && frame.log.partition < topics_.partition_count());
  if (topic.empty()) topic = std::to_string(static_cast<int>(frame.log.topic));
  return visit({.segment = segment_,
                .frame = frame,
                .payload = good.payload,
                .verdict = verdict,
                .before = before,
                .after_loss = after_loss,
                .topic = std::move(topic),
                .known = known});
}

/// One judging walk from the first bad place finds all of them. Where somebody is writing, it may
/// take what is half written for damage, but only behind the limit.
Result<void> JournalScan::judge(std::uint64_t bad) {
  if (judged_) return {};
  judged_ = true;
  journal::Walk walk(folder_, segment_.seed, {});
  auto walked = walk.to_end({.end = bad, .durable_end = durable_end_, .open_count = open_count_});
  if (!walked) return fail(std::move(walked).error());
  report_.losses = walked->losses;
  for (const auto& damage : walked->damages) {
    if (damage.range.from < limit()) report_.damages.push_back(damage);
  }
  return {};
}

Result<std::optional<std::uint64_t>> JournalScan::behind(std::uint64_t bad) {
  if (auto judged = judge(bad); !judged) return fail(std::move(judged).error());
  for (const auto& loss : report_.losses) {
    if (!loss.contains(bad)) continue;
    passed_loss_ = true;
    return loss.to;
  }
  for (const auto& damage : report_.damages) {
    if (damage.range.contains(bad) && damage.range.to < limit()) return damage.range.to;
  }
  if (options_.limit) {
    // What is known to be durable ends before its end.
    const bool known = std::ranges::any_of(
        report_.damages, [&](const journal::Damage& damage) { return damage.range.contains(bad); });
    if (!known) report_.damages.push_back({{bad, *options_.limit}, std::nullopt});
    return std::nullopt;
  }
  auto segment = folder_.containing(bad);
  if (!segment) return fail(std::move(segment).error());
  auto behind = journal::end_of_bytes(*segment, {bad, journal::position_max},
                                      journal::FrameReader::Source::cache);
  if (!behind) return fail(std::move(behind).error());
  report_.torn_bytes = *behind - bad;
  return std::nullopt;
}

}  // namespace api::cli
