#include "api/resources/events.h"

#include "api/resources/event_json.h"
#include "api/resources/lists.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"
#include "schemas/type_pattern.h"

namespace api::resources {
namespace {

/// A place in a range: a mark, or a moment.
struct Bound {
  std::vector<MarkedPosition> mark;
  std::optional<schemas::Time> time;
};

Result<std::optional<Bound>> parse_bound(const Ask& ask, std::string_view name) {
  auto text = ask.request.parameter(name);
  if (!text) return std::nullopt;
  if (auto time = schemas::parse_time(*text)) return Bound{{}, time};
  auto mark = parse_mark(ask, schemas::FieldError::In::parameter, name, *text,
                         "must be a mark or an RFC 3339 time");
  if (!mark) return std::unexpected(std::move(mark).error());
  return Bound{std::move(*mark), {}};
}

/// The key at which a range begins or ends. A mark stands for the newest event that it names; of a
/// whole record, for all of it.
std::optional<TimelineKey> key_of(const Feed& feed, const std::optional<Bound>& bound) {
  if (!bound) return std::nullopt;
  if (bound->time) return Feed::key_at(*bound->time);
  auto key = feed.newest(feed.passed_at(bound->mark), Feed::WholeRecord::first_event);
  return key.value_or(TimelineKey{});
}

struct EventsRequest {
  EventFilter filter;
  std::vector<MarkedPosition> after;
  std::optional<Bound> from;
  std::optional<Bound> to;
  std::size_t limit = 50;
  bool descending = false;
};

Result<EventsRequest> parse_events(const Ask& ask) {
  EventsRequest request;
  auto filter = parse_event_filter(ask);
  if (!filter) return std::unexpected(std::move(filter).error());
  request.filter = std::move(*filter);
  if (auto after = ask.request.parameter("after"); after && *after != "beginning") {
    auto mark = parse_mark(ask, schemas::FieldError::In::parameter, "after", *after,
                           "must be beginning or a mark");
    if (!mark) return std::unexpected(std::move(mark).error());
    request.after = std::move(*mark);
  }
  auto from = parse_bound(ask, "from");
  if (!from) return std::unexpected(std::move(from).error());
  request.from = std::move(*from);
  auto to = parse_bound(ask, "to");
  if (!to) return std::unexpected(std::move(to).error());
  request.to = std::move(*to);
  request.limit = number_parameter(ask, "limit", request.limit);
  request.descending = ask.request.parameter("order") == "desc";
  return request;
}

struct EventPage {
  std::string json;
  std::vector<MarkedPosition> next;
};

/// Behind the later of `after` and what came before `from`.
Passed begin_of(const Feed& feed, const EventsRequest& request,
                const std::optional<TimelineKey>& from) {
  auto passed = request.after.empty() ? Feed::passed_nothing() : feed.passed_at(request.after);
  if (!from) return passed;
  for (const auto& position : feed.passed_before(*from).positions) {
    const auto* other = passed.find(position.log.topic);
    if (other == nullptr || other->offset < position.offset) passed.set(position);
  }
  return passed;
}

/// The earlier of `to` and the event that `after` names: a descending list goes on before it.
std::optional<TimelineKey> end_of(const Feed& feed, const EventsRequest& request,
                                  std::optional<TimelineKey> to) {
  if (request.after.empty()) return to;
  auto after = feed.newest(feed.passed_at(request.after), Feed::WholeRecord::last_event);
  if (!after) after = TimelineKey{};
  return to ? std::min(*to, *after) : *after;
}

Result<EventPage> read_page(const Ask& ask, const EventsRequest& request) {
  auto snapshot = ask.services.rows.snapshot();
  const MarkOwner scope{ask.caller().organization, ask.caller().space};
  const Feed feed(ask.services, *snapshot, scope, request.filter);
  std::string json = R"({"data":[)";
  std::size_t count = 0;
  Result<void> appended;
  auto take = [&](const TimelineEvent& event, std::string_view product, const std::string& mark) {
    if (count++ > 0) json.push_back(',');
    appended = append_event(json, event.batch, event.index, product, mark, &ask.services.sealing);
    return appended && count < request.limit && json.size() < page_bytes_max;
  };
  const auto from = key_of(feed, request.from);
  const auto to = key_of(feed, request.to);
  Passed passed;
  Result<Feed::End> end = Feed::End::reached;
  if (request.descending) {
    passed = request.after.empty() ? feed.passed_now() : feed.passed_at(request.after);
    end = feed.backward(passed, end_of(feed, request, to), from, take);
  } else {
    passed = begin_of(feed, request, from);
    end = feed.forward(passed, to, take);
  }
  if (!appended) return std::unexpected(std::move(appended).error());
  if (!end) return std::unexpected(std::move(end).error());
  json += R"(],"next":)" + schemas::json::quote(feed.mark_of(passed)) + R"(,"caught_up":)";
  json += *end == Feed::End::reached ? "true}" : "false}";
  return EventPage{std::move(json), mark_positions(request.filter, passed)};
}

}  // namespace

Result<EventFilter> parse_event_filter(const Ask& ask) {
  EventFilter filter;
  for (const auto& [name, value] : ask.request.query) {
    if (name == "type") {
      if (!schemas::is_type_pattern(value)) {
        return edge::wrong_parameter("type", std::string(schemas::type_pattern_form));
      }
      filter.types.push_back(value);
    }
    if (name == "product") {
      if (!ask.services.topics.find(value)) {
        return edge::wrong_parameter("product", "there is no product of this name");
      }
      filter.products.push_back(value);
    }
    if (name == "filter") {
      auto where = schemas::cel::Filter::compile(value);
      if (!where) return edge::wrong_parameter("filter", where.error().detail);
      filter.where = std::make_shared<const schemas::cel::Filter>(std::move(*where));
    }
    if (name == "kind") filter.kinds.push_back(value);
    if (name == "subject") filter.subjects.push_back(value);
  }
  filter.access = ask.caller().access;
  return filter;
}

awaitable<Result<void>> reach_followed(Ask& ask, const EventFilter& filter,
                                       const std::vector<MarkedPosition>& after) {
  const auto& services = ask.services;
  const auto deadline = std::chrono::steady_clock::now() + ask.conditions.wait;
  for (const auto& topic : followed(services, filter)) {
    const auto log = services.topics.log_of(topic.id, ask.caller().organization);
    auto required = must_reach(ask, log);
    for (const auto& position : after) {
      if (position.log == log) required.marks.push_back(position);
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    auto reached = co_await reach(services, log, std::move(required), left);
    if (!reached) co_return reached;
  }
  co_return Result<void>();
}

// GET /v2/events
Answer list_events(Ask& ask) {
  auto request = parse_events(ask);
  if (!request) co_return std::unexpected(std::move(request).error());
  auto marks = request->after;
  for (const auto* bound : {&request->from, &request->to}) {
    if (*bound) marks.insert(marks.end(), (*bound)->mark.begin(), (*bound)->mark.end());
  }
  auto reached = co_await reach_followed(ask, request->filter, marks);
  if (!reached) co_return std::unexpected(std::move(reached).error());
  auto read = [&] { return read_page(ask, *request); };
  auto page = co_await answer_on(ask.services.scans, read);
  if (!page) co_return std::unexpected(std::move(page).error());
  ask.reflects = std::move(page->next);
  co_return http::json_response(200, std::move(page->json));
}

}  // namespace api::resources
