#include "api/resources/reading.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/resources/parameters.h"
#include "api/resources/pool.h"
#include "projections/projector.h"
#include "schemas/time.h"

namespace api::resources {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::LogId;
using schemas::MarkedPosition;
using schemas::Offset;
using schemas::Position;

/// What a parameter such as ?as_of= says: a place in this log, or a time to be looked up in the
/// rows.
struct AsOf {
  std::optional<MarkedPosition> position;
  std::optional<schemas::Time> time;
};

Result<AsOf> parse_as_of(const Ask& ask, LogId log, const std::string& parameter) {
  auto text = ask.request.parameter(parameter);
  if (!text) return AsOf{};
  if (auto time = schemas::parse_time(*text)) {
    // The log's time may be ahead of the clock: it never falls.
    const auto now =
        std::max(ask.services.clock.wall(), ask.services.progress.applied(log).recorded);
    if (*time > now) {
      return fail(ErrorCode::as_of_in_future, parameter + " names a time that has not come yet");
    }
    return AsOf{{}, time};
  }
  auto positions = parse_mark(ask, schemas::FieldError::In::parameter, parameter, *text,
                              "must be a mark or an RFC 3339 time");
  if (!positions) return std::unexpected(std::move(positions).error());
  auto found = std::ranges::find(*positions, log, &MarkedPosition::log);
  if (found == positions->end() && std::ranges::any_of(*positions, is_names_all)) {
    return AsOf{schemas::marked(Position{.log = log}), {}};
  }
  if (found == positions->end()) {
    return fail(
        ErrorCode::mark_without_position,
        "the mark in " + parameter + " names no position of the log that this is read from");
  }
  found->index = Position::whole_record;
  return AsOf{*found, {}};
}

MarkedPosition applied(const Services& services, LogId log) {
  return schemas::marked(services.progress.applied(log).position(log));
}

std::unexpected<schemas::Error> lost(const MarkedPosition& position) {
  return fail(ErrorCode::lost_mark,
              position.offset < 0
                  ? "the mark is not of this log"
                  : "the mark names a place that this log lost, for example when it was restored");
}

/// Longer does nobody wait for a turn to ask the brokers.
constexpr std::chrono::seconds records_within{2};

/// That a marked place is still the log's own.
awaitable<Result<void>> check_mark(const Services& services, const MarkedPosition& position) {
  const auto end = static_cast<std::int64_t>(services.log.durable_end(position.log));
  if (position.offset >= end && position.offset >= 0) co_return lost(position);
  auto stands = co_await read_mark_at(services, position.log, position.offset);
  if (!stands) co_return std::unexpected(std::move(stands).error());
  if (stands->check != position.check) co_return lost(position);
  co_return Result<void>();
}

/// Where others write too, a mark may come before the record that it names has come here.
bool is_ahead(const Services& services, const MarkedPosition& position) {
  return services.log.shared() && position.offset >= 0 &&
         static_cast<Offset>(position.offset) >= services.progress.applied_end(position.log);
}

/// Whether everything below `end` was folded in time.
awaitable<bool> folded(projections::Progress& progress, LogId log, Offset end,
                       std::chrono::milliseconds wait) {
  if (progress.applied_end(log) >= end) co_return true;
  auto executor = co_await asio::this_coro::executor;
  // Shared so that the core's call, which may come after this wait gave up, can find it gone. It is
  // only touched here, on the connection's thread.
  auto timer = std::make_shared<asio::steady_timer>(executor, wait);
  auto reached = [executor, waiting = std::weak_ptr(timer)] {
    asio::post(executor, [waiting] {
      if (auto still = waiting.lock()) still->cancel();
    });
  };
  const auto waiting = progress.wait(log, end, std::move(reached));
  if (waiting == 0) co_return true;
  auto [ec] = co_await timer->async_wait(as_result);
  // A mark may name a place that never comes.
  if (!ec) progress.forget(log, waiting);
  if (ec && ec != asio::error::operation_aborted) co_return false;
  co_return progress.applied_end(log) >= end;
}

}  // namespace

Reading::Reading(Ask& ask, Place place, View view)
    : ask_(&ask),
      place_(place),
      log_(ask.services.topics.log_of(place.topic, place.organization)),
      rows_(&ask.services.rows),
      reflects_(applied(ask.services, log_)) {
  if (view == View::snapshot) {
    snapshot_ = ask.services.rows.snapshot();
    rows_ = snapshot_.get();
    // Rows and their position are written together, so this is exactly what the snapshot shows.
    auto position = rows_->get(projections::position_key(log_));
    if (position) {
      reflects_ = schemas::marked(projections::decode_position(*position).position(log_));
    }
  }
  reflect(reflects_);
}

void Reading::reflect(const MarkedPosition& position) {
  reflects_ = position;
  ask_->reflects = {position};
}

void Reading::set_as_of(const MarkedPosition& position) {
  as_of_ = position.offset;
  reflect(position);
}

std::optional<std::string> Reading::find(std::string_view kind, const schemas::Entity& entity) {
  if (as_of_) return reader().find_as_of(place_.topic, kind, entity, *as_of_);
  for (;;) {
    auto row = reader().find(place_.topic, kind, entity);
    const auto made_at =
        row ? static_cast<std::int64_t>(projections::decode_head(*row, nullptr).offset) : -1;
    if (made_at <= reflects_.offset) return row;
    // Rows become visible an instant before the position does: take both anew.
    reflect(applied(ask_->services, log_));
  }
}

awaitable<Result<MarkedPosition>> read_mark_at(const Services& services, LogId log,
                                               std::int64_t offset) {
  if (offset < 0 || !services.log.shared()) co_return mark_at(services, log, offset);
  if (auto check = services.progress.check_at(log, offset)) {
    co_return MarkedPosition{log, offset, Position::whole_record, *check};
  }
  const auto until = std::chrono::steady_clock::now() + records_within;
  auto read = [&]() -> Result<MarkedPosition> {
    if (std::chrono::steady_clock::now() > until) {
      return fail(ErrorCode::mark_not_reached,
                  "others wait for the log's brokers too, which do not answer; try again");
    }
    return mark_at(services, log, offset);
  };
  co_return co_await answer_on(services.records, read);
}

Result<MarkedPosition> mark_at(const Services& services, LogId log, std::int64_t offset) {
  Position position{.log = log, .offset = offset};
  if (offset < 0) return schemas::marked(position);
  if (auto check = services.progress.check_at(log, offset)) {
    return MarkedPosition{log, offset, Position::whole_record, *check};
  }
  auto record = services.log.read_one(log, static_cast<Offset>(offset));
  if (!record) return std::unexpected(std::move(record).error());
  position.epoch = record->head.epoch;
  position.sequence = record->head.sequence;
  position.chain = record->head.chain;
  return schemas::marked(position);
}

Required must_reach(const Ask& ask, LogId log) {
  const bool has_mark = ask.request.parameter("at_least") || ask.request.header("Tidemark");
  if (!has_mark) {
    // Rows that stand still hold everything that was ever acknowledged: reads go on with that.
    if (ask.request.parameter("stale") || ask.services.rows.broken()) return {};
    return {.end = ask.services.log.durable_end(log), .marks = {}};
  }
  Required required;
  std::ranges::copy_if(ask.at_least, std::back_inserter(required.marks),
                       [log](const auto& position) { return position.log == log; });
  return required;
}

awaitable<Result<void>> reach(const Services& services, LogId log, Required required,
                              std::chrono::milliseconds wait) {
  std::vector<MarkedPosition> ahead;
  for (const auto& mark : required.marks) {
    required.end = std::max(required.end, static_cast<Offset>(mark.offset + 1));
    if (is_ahead(services, mark)) {
      ahead.push_back(mark);
      continue;
    }
    auto checked = co_await check_mark(services, mark);
    if (!checked) co_return checked;
  }
  if (!co_await folded(services.progress, log, required.end, wait)) {
    co_return fail(ErrorCode::mark_not_reached,
                   "the rows did not get as far as asked in time; try again, or wait longer with "
                   "Prefer: wait=<seconds>");
  }
  for (const auto& mark : ahead) {
    auto checked = co_await check_mark(services, mark);
    if (!checked) co_return checked;
  }
  co_return Result<void>();
}

Result<void> check_frozen(const Services& services, const Place& place) {
  auto frozen = services.progress.frozen({place.organization, place.space, place.topic});
  if (!frozen) return {};
  return fail(ErrorCode::projection_frozen, std::move(frozen->reason));
}

namespace {

/// A time becomes the place that it means.
awaitable<Result<void>> look_up(const Reading& reading, const Services& services, AsOf& as_of) {
  if (!as_of.time) co_return Result<void>();
  const auto& place = reading.place();
  const auto offset = reading.reader().offset_at(place.topic, *as_of.time);
  const auto log = services.topics.log_of(place.topic, place.organization);
  auto found = co_await read_mark_at(services, log, offset);
  if (!found) co_return std::unexpected(std::move(found).error());
  as_of.position = *found;
  co_return Result<void>();
}

}  // namespace

awaitable<Result<Reading>> open_reading(Ask& ask, Place place, View view) {
  const auto& services = ask.services;
  const auto log = services.topics.log_of(place.topic, place.organization);
  auto as_of = parse_as_of(ask, log, "as_of");
  if (!as_of) co_return std::unexpected(std::move(as_of).error());
  auto required = must_reach(ask, log);
  if (as_of->position) required.marks.push_back(*as_of->position);
  auto reached = co_await reach(services, log, std::move(required), ask.conditions.wait);
  if (!reached) co_return std::unexpected(std::move(reached).error());
  Reading reading(ask, place, view);
  auto frozen = check_frozen(services, place);
  if (!frozen) co_return std::unexpected(std::move(frozen).error());
  if (auto found = co_await look_up(reading, services, *as_of); !found) {
    co_return std::unexpected(std::move(found).error());
  }
  if (as_of->position) reading.set_as_of(*as_of->position);
  co_return reading;
}

awaitable<Result<Span>> open_span(Ask& ask, Place place) {
  const auto& services = ask.services;
  const auto log = services.topics.log_of(place.topic, place.organization);
  auto from = parse_as_of(ask, log, "from");
  auto to = parse_as_of(ask, log, "to");
  if (!from) co_return std::unexpected(std::move(from).error());
  if (!to) co_return std::unexpected(std::move(to).error());
  if (!from->position && !from->time) from->position = schemas::marked(Position{.log = log});
  auto required = must_reach(ask, log);
  for (const auto* end : {&*from, &*to}) {
    if (end->position) required.marks.push_back(*end->position);
  }
  auto reached = co_await reach(services, log, std::move(required), ask.conditions.wait);
  if (!reached) co_return std::unexpected(std::move(reached).error());
  Reading reading(ask, place, View::snapshot);
  auto frozen = check_frozen(services, place);
  if (!frozen) co_return std::unexpected(std::move(frozen).error());
  for (auto* end : {&*from, &*to}) {
    auto found = co_await look_up(reading, services, *end);
    if (!found) co_return std::unexpected(std::move(found).error());
  }
  const auto first = *from->position;
  const auto last = to->position.value_or(reading.reflects());
  if (first.offset > last.offset) {
    co_return edge::wrong_parameter("from", "must not be later than to");
  }
  reading.set_as_of(last);
  co_return Span{std::move(reading), first, last};
}

}  // namespace api::resources
