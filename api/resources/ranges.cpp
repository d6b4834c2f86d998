#include "api/resources/ranges.h"

#include <algorithm>

#include "schemas/time.h"

namespace api::resources {
namespace {

/// A place as a mark that names every topic.
Result<std::string> mark_of(const Ask& ask, const Feed& feed, std::string_view field,
                            std::string_view text) {
  if (text == "now") return feed.mark_of(feed.passed_now());
  if (text == "beginning") return feed.mark_of(Feed::passed_nothing());
  if (const auto time = schemas::parse_time(text)) {
    if (*time > ask.services.clock.wall()) {
      return schemas::invalid_field("/" + std::string(field), "must not be in the future");
    }
    return feed.mark_of(feed.passed_before(Feed::key_at(*time)));
  }
  const auto mark = decode_mark(ask.services, ask.caller(), text);
  if (!mark && text.starts_with("tm1_")) return std::unexpected(mark.error());
  if (!mark) {
    return schemas::invalid_field("/" + std::string(field),
                                  "must be beginning, now, a mark of your own or a time");
  }
  const auto topics = followed(ask.services, {});
  const auto says = [&](const MarkedPosition& position) {
    return is_names_all(position) ||
           std::ranges::find(topics, position.log.topic, &eventstore::Topic::id) != topics.end();
  };
  if (std::ranges::none_of(*mark, says)) {
    return schemas::invalid_field("/" + std::string(field),
                                  "is a mark that names no place among these events; take one of "
                                  "GET /v2/events");
  }
  return feed.mark_of(feed.passed_at(*mark));
}

}  // namespace

std::vector<MarkedPosition> marks_in(const Ask& ask, std::string_view from, std::string_view to) {
  std::vector<MarkedPosition> marks;
  for (const auto text : {from, to}) {
    const auto mark = decode_mark(ask.services, ask.caller(), text);
    if (mark) marks.insert(marks.end(), mark->begin(), mark->end());
  }
  return marks;
}

std::optional<schemas::Time> time_at(const Ask& ask, const Feed& feed, std::string_view mark) {
  const auto here = ask.here();
  const auto positions = ask.services.marks.decode(here.organization, here.space, mark);
  if (!positions) return std::nullopt;
  const auto key = feed.newest(feed.passed_at(*positions), Feed::WholeRecord::first_event);
  return key ? std::optional(key->recorded) : std::nullopt;
}

Result<Range> find_range(const Ask& ask, std::string_view from, std::string_view to) {
  const auto from_time = schemas::parse_time(from);
  const auto to_time = schemas::parse_time(to);
  if (from_time && to_time && *from_time > *to_time) {
    return schemas::invalid_field("/from", "must not be later than to");
  }
  const EventFilter all;
  const auto snapshot = ask.services.rows.snapshot();
  const Feed feed(ask.services, *snapshot, ask.here(), all);
  auto begin = mark_of(ask, feed, "from", from);
  if (!begin) return std::unexpected(std::move(begin).error());
  auto end = mark_of(ask, feed, "to", to);
  if (!end) return std::unexpected(std::move(end).error());
  if (time_at(ask, feed, *begin) > time_at(ask, feed, *end)) {
    return schemas::invalid_field("/from", "must not be later than to");
  }
  return Range{std::move(*begin), std::move(*end)};
}

}  // namespace api::resources
