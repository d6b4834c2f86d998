#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/resources/ask.h"
#include "projections/reader.h"

/// How a request reads: after everything that it must reflect, at the moment that it asks for, and
/// saying what it reflects.
namespace api::resources {

/// One row, or a consistent view of many.
enum class View : std::uint8_t { row, snapshot };

/// The rows of one place, from the moment a read was let in. Sets what the answer reflects: never
/// more than its rows show.
class Reading {
 public:
  Reading(Ask& ask, Place place, View view);

  /// Empty when the entity is not there, or was not then.
  std::optional<std::string> find(std::string_view kind, const schemas::Entity& entity);

  const Place& place() const { return place_; }
  projections::Reader reader() const { return {*rows_, place_.organization, place_.space}; }
  const projections::RowReader& rows() const { return *rows_; }
  /// Inclusive offset; empty: as of now.
  std::optional<std::int64_t> as_of() const { return as_of_; }
  /// The moment of this reading, also when it is now: what its cursors go on at.
  const schemas::MarkedPosition& reflects() const { return reflects_; }
  /// Reads as of `position`, which is not later than what the rows show.
  void set_as_of(const schemas::MarkedPosition& position);

 private:
  void reflect(const schemas::MarkedPosition& position);

  Ask* ask_;
  Place place_;
  schemas::LogId log_;
  std::unique_ptr<const projections::RowReader> snapshot_;
  const projections::RowReader* rows_;
  std::optional<std::int64_t> as_of_;
  schemas::MarkedPosition reflects_;
};

/// Lets a read in: waits for the marks it came with (or, without one, for everything durable when
/// it came, unless ?stale=allow), refuses what is frozen or lost, and applies ?as_of=.
awaitable<Result<Reading>> open_reading(Ask& ask, Place place, View view);

/// Two moments of one place, from ?from= (the beginning when left out) and ?to= (now), each a mark
/// or a time; `from` is not later. The reading is as of `to`.
struct Span {
  Reading reading;
  schemas::MarkedPosition from;
  schemas::MarkedPosition to;
};
awaitable<Result<Span>> open_span(Ask& ask, Place place);

/// What a read waits for: that the rows show everything below `end`, and up to these marks.
struct Required {
  schemas::Offset end = 0;
  std::vector<schemas::MarkedPosition> marks;
};
/// What this request's rows of `log` must show.
Required must_reach(const Ask& ask, schemas::LogId log);

/// Waits for that, for `wait` at most: mark_not_reached. A mark that is not the log's own is a
/// lost_mark.
awaitable<Result<void>> reach(const Services& services, schemas::LogId log, Required required,
                              std::chrono::milliseconds wait);

/// The whole record at an offset (-1: before the first), with its check.
Result<schemas::MarkedPosition> mark_at(const Services& services, schemas::LogId log,
                                        std::int64_t offset);

/// The same where brokers may have to be asked: not on the connection's thread then.
awaitable<Result<schemas::MarkedPosition>> read_mark_at(const Services& services,
                                                        schemas::LogId log, std::int64_t offset);

/// projection_frozen when this place stands still.
Result<void> check_frozen(const Services& services, const Place& place);

}  // namespace api::resources
