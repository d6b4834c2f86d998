#include "api/cli/journal_scan.h"

#include <fmt/format.h>

namespace api::cli {

using eventstore::Verdict;
using schemas::fail;
using schemas::Result;
namespace journal = eventstore::journal;

Result<void> JournalScan::begin() {
  if (auto loaded = folder_.load(); !loaded) return loaded;
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
  seed_ = journal::crc_seed(header->id);
  report_.segments = bases.size();
  report_.first_position = report_.end = durable_end_ = header->base;
  if (header->previous_base != journal::SegmentHeader::none) {
    report_.damages.push_back({{header->previous_base, header->base}, std::nullopt});
  }
  return {};
}

Result<ScanReport> JournalScan::run(const Visit& visit, const Progress& progress) {
  if (auto begun = begin(); !begun) return fail(std::move(begun).error());
  journal::JournalReader reader(folder_, seed_);
  if (auto there = reader.seek(report_.end, journal::position_max); !there) {
    return fail(std::move(there).error());
  }
  constexpr std::uint64_t told_every = 4096;
  for (std::uint64_t count = 0;; ++count) {
    auto step = reader.next();
    if (!step) return fail(std::move(step).error());
    const auto* good = std::get_if<journal::GoodFrame>(&*step);
    // One of an earlier opening, which was cut off since, is as bad as none.
    if (good != nullptr && good->frame.open_count >= open_count_) {
      if (!take(*good, visit)) return std::move(report_);
      if (progress && count % told_every == 0) {
        progress(report_.end - report_.first_position, report_.size_bytes);
      }
      continue;
    }
    const auto bad = good != nullptr ? good->frame.position : reader.position();
    auto next = behind(bad);
    if (!next) return fail(std::move(next).error());
    if (!*next) return std::move(report_);
    if (auto there = reader.seek(**next, journal::position_max); !there) {
      return fail(std::move(there).error());
    }
  }
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
  if (frame.own()) return true;
  auto& state = states_[frame.log];
  const auto before = state;
  const bool after_loss = passed_loss_ && frame.offset != state.next_offset;
  if (after_loss) state.lose();
  const auto verdict = state.apply(frame.offset, frame.head, good.payload);
  if (frame.log == eventstore::log_partition && verdict == Verdict::control) {
    if (auto control = schemas::read_control(good.payload)) topics_.apply(*control);
  }
  auto topic = frame.log.topic == eventstore::log_topic ? "log" : topics_.name(frame.log.topic);
  if (topic.empty()) topic = std::to_string(static_cast<int>(frame.log.topic));
  return visit({frame, good.payload, verdict, before, after_loss, std::move(topic)});
}

Result<std::optional<std::uint64_t>> JournalScan::behind(std::uint64_t bad) {
  // One judging walk from the first bad place finds all of them.
  if (!judged_) {
    judged_ = true;
    journal::Walk walk(folder_, seed_, {});
    auto walked = walk.to_end({.end = bad, .durable_end = durable_end_, .open_count = open_count_});
    if (!walked) return fail(std::move(walked).error());
    report_.losses = walked->losses;
    report_.damages.insert(report_.damages.end(), walked->damages.begin(), walked->damages.end());
  }
  for (const auto& loss : report_.losses) {
    if (!loss.contains(bad)) continue;
    passed_loss_ = true;
    return loss.to;
  }
  for (const auto& damage : report_.damages) {
    if (damage.range.contains(bad) && damage.range.to < journal::position_max) {
      return damage.range.to;
    }
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
