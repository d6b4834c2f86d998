#include "eventstore/journal_cursor.h"

#include <algorithm>

namespace eventstore::journal {

using schemas::Error;
using schemas::fail;
using schemas::Result;

namespace {

std::size_t number(TopicId topic) {
  return static_cast<std::uint16_t>(topic);
}

}  // namespace

Result<std::unique_ptr<Cursor>> JournalCursor::open(ReadSide side,
                                                    const std::vector<ReadFrom>& from) {
  std::unique_ptr<JournalCursor> cursor(new JournalCursor(side));
  cursor->limit_ = side.durable_end.load(std::memory_order_acquire);
  std::uint64_t begin = cursor->limit_;
  for (const auto& one : from) {
    if (auto added = cursor->add(one); !added) return fail(std::move(added).error());
    begin = std::min(begin, cursor->all_.back()->first_position);
  }
  if (auto there = cursor->reader_.seek(begin, cursor->limit_); !there) {
    return fail(std::move(there).error());
  }
  return cursor;
}

Result<void> JournalCursor::add(const ReadFrom& from) {
  auto wanted = std::make_unique<Wanted>(Wanted{.log = from.log,
                                                .from = from.offset,
                                                .first_position = limit_,
                                                .expected = std::nullopt,
                                                .doubt = std::nullopt});
  // The end was looked at before: what is not durable yet will stand behind it.
  const auto* partition = side_.partitions.find(from.log);
  const bool stands = partition != nullptr && from.offset < partition->durable_end();
  if (stands || side_.partitions.damage(from.log)) {
    auto entry = side_.index.locate(from.log, from.offset);
    if (!entry) return fail(std::move(entry).error());
    if (*entry) {
      wanted->first_position = (*entry)->position;
      wanted->expected = (*entry)->offset;
    }
  }
  if (by_place_.size() <= number(from.log.topic)) by_place_.resize(number(from.log.topic) + 1);
  auto& of_topic = by_place_[number(from.log.topic)];
  if (of_topic.size() <= from.log.partition) of_topic.resize(std::size_t{from.log.partition} + 1);
  of_topic[from.log.partition] = wanted.get();
  all_.push_back(std::move(wanted));
  return {};
}

JournalCursor::Wanted* JournalCursor::wanted(LogId log) {
  if (number(log.topic) >= by_place_.size()) return nullptr;
  const auto& of_topic = by_place_[number(log.topic)];
  return log.partition < of_topic.size() ? of_topic[log.partition] : nullptr;
}

Result<std::optional<StoredRecord>> JournalCursor::next() {
  stopped_.reset();
  while (true) {
    auto step = reader_.next();
    if (!step) return fail(std::move(step).error());
    if (std::holds_alternative<AtLimit>(*step)) {
      const auto end = side_.durable_end.load(std::memory_order_acquire);
      if (end == limit_) {
        auto stopped = look_for_stopped();
        if (!stopped) return fail(std::move(stopped).error());
        return std::nullopt;
      }
      limit_ = end;
      reader_.set_limit(end);
      continue;
    }
    if (const auto* bad = std::get_if<BadPlace>(&*step)) {
      if (auto jumped = jump_over(*bad); !jumped) return fail(std::move(jumped).error());
      continue;
    }
    const auto& good = std::get<GoodFrame>(*step);
    const auto& frame = good.frame;
    if (side_.behind_unread(frame.position)) {
      auto jumped = jump_over({frame.position, frame});
      if (!jumped) return fail(std::move(jumped).error());
      continue;
    }
    if (frame.is(OwnFrame::closing)) settle_doubts(good);
    auto* of_log = wanted(frame.log);
    if (of_log == nullptr || frame.position < of_log->first_position) continue;
    auto picked = pick(good, *of_log);
    if (!picked) return fail(std::move(picked).error());
    if (*picked == Pick::not_yet) return std::nullopt;
    if (*picked == Pick::skip) continue;
    return StoredRecord{frame.log, frame.offset, frame.head, Payload(nullptr, good.payload),
                        *picked == Pick::give_after_loss};
  }
}

Result<JournalCursor::Pick> JournalCursor::pick(const GoodFrame& good, Wanted& wanted) {
  const auto& frame = good.frame;
  const bool missing = wanted.expected && frame.offset != *wanted.expected;
  if (missing && !wanted.after_loss) {
    const Damage at_gap{{frame.position, frame.position + frame.size_bytes()}, frame.log};
    const auto error = damage_error(side_.folder.path(), wanted.doubt.value_or(at_gap));
    side_.health.turn_read_only(error);
    return stop(wanted, error);
  }
  // Durable, but told to the partition a moment later: what is read must be below its end.
  if (frame.offset >= side_.partitions.find(frame.log)->durable_end()) {
    auto back = reader_.seek(frame.position, limit_);
    if (!back) return fail(std::move(back).error());
    return Pick::not_yet;
  }
  wanted.expected = frame.offset + 1;
  wanted.after_loss = false;
  wanted.doubt.reset();
  if (frame.offset < wanted.from) return Pick::skip;
  return missing ? Pick::give_after_loss : Pick::give;
}

Result<void> JournalCursor::jump_over(const BadPlace& bad) {
  const auto loss = std::ranges::find_if(
      side_.losses, [&](const Range& range) { return range.contains(bad.position); });
  if (loss != side_.losses.end()) {
    for (auto& wanted : all_) wanted->after_loss = true;
    return reader_.seek(loss->to, limit_);
  }
  auto damage = report_damage(side_, bad);
  if (!damage) return fail(std::move(damage).error());
  if (auto there = reader_.seek(damage->range.to, limit_); !there) return there;
  if (!damage->log) {
    for (auto& wanted : all_) wanted->doubt = *damage;
    return {};
  }
  auto* of_log = wanted(*damage->log);
  if (of_log == nullptr || bad.position < of_log->first_position) return {};
  return stop(*of_log, damage_error(side_.folder.path(), *damage));
}

/// A closing table says how far each partition had come: nothing is missing where that agrees.
void JournalCursor::settle_doubts(const GoodFrame& closing) {
  const auto table = decode_closing_table(closing.payload);
  if (!table) return;
  for (auto& wanted : all_) {
    const auto state = table->states.find(wanted->log);
    const Offset next = state == table->states.end() ? 0 : state->second.next_offset;
    if (wanted->expected == next) wanted->doubt.reset();
  }
}

/// At the end: a partition whose last records may be among what cannot be read must not look as if
/// it simply ended there.
Result<void> JournalCursor::look_for_stopped() {
  if (side_.health.writable()) return {};
  for (auto& wanted : all_) {
    if (auto error = side_.partitions.damage(wanted->log)) return stop(*wanted, *error);
    const auto* partition = side_.partitions.find(wanted->log);
    const auto known_end = partition == nullptr ? 0 : partition->durable_end();
    if (wanted->doubt && wanted->expected != known_end) {
      return stop(*wanted, damage_error(side_.folder.path(), *wanted->doubt));
    }
  }
  return {};
}

std::unexpected<Error> JournalCursor::stop(Wanted& wanted, Error error) {
  stopped_ = wanted.log;
  by_place_[number(wanted.log.topic)][wanted.log.partition] = nullptr;
  std::erase_if(all_, [&](const auto& one) { return one.get() == &wanted; });
  return std::unexpected(std::move(error));
}

Result<Damage> report_damage(const ReadSide& side, const BadPlace& bad) {
  const auto limit = side.durable_end.load(std::memory_order_acquire);
  auto range = unreadable(side.folder, side.seed, bad, limit);
  if (!range) return fail(std::move(range).error());
  const Damage damage{*range, bad.head ? std::optional(bad.head->log) : std::nullopt};
  const bool accepted = std::ranges::any_of(
      side.losses, [&](const Range& loss) { return loss.contains(bad.position); });
  if (!accepted) side.health.turn_read_only(damage_error(side.folder.path(), damage));
  return damage;
}

}  // namespace eventstore::journal
