#include "api/resources/delivery_reader.h"

#include "api/resources/event_json.h"
#include "api/resources/feed.h"

namespace api::resources {
namespace {

EventFilter filter_of(const webhooks::Wanted& wanted) {
  EventFilter filter{.types = wanted.types, .where = wanted.filter, .tests_of = wanted.endpoint};
  if (!wanted.project) return filter;
  auto access = std::make_shared<projections::Access>();
  access->projects = {to_text(schemas::ProjectId(*wanted.project))};
  filter.access = std::move(access);
  return filter;
}

}  // namespace

webhooks::EventBody DeliveryReader::render(const webhooks::Wanted& wanted,
                                           const projections::TimelineEvent& event,
                                           std::string_view product) const {
  webhooks::EventBody body;
  auto shown = append_event(body.text, event.batch, event.index, product, {}, &services_.sealing);
  if (!shown) return {.text = {}, .fault = "the event cannot be shown: " + shown.error().detail};
  if (wanted.format == webhooks::DeliveryFormat::structured) return body;
  const auto document = schemas::json::parse(body.text);
  ENSURE(document.has_value());
  return {.text = schemas::json::minify(*document->root().find("data"))};
}

Result<webhooks::ReadEvents> DeliveryReader::read(const webhooks::Scope& scope,
                                                  const webhooks::Wanted& wanted,
                                                  const std::string& mark, std::size_t events_max,
                                                  std::size_t bytes_max) {
  auto positions = services_.marks.decode(scope.organization, scope.space, mark);
  if (!positions) return std::unexpected(std::move(positions).error());
  const auto filter = filter_of(wanted);
  const auto snapshot = services_.rows.snapshot();
  const Feed feed(services_, *snapshot, {scope.organization, scope.space}, filter);
  auto passed = feed.passed_at(*positions);
  webhooks::ReadEvents read;
  std::size_t bytes = 0;
  const auto take = [&](const projections::TimelineEvent& event, std::string_view product,
                        const std::string& behind) {
    auto body = render(wanted, event, product);
    const auto view = event.event();
    bytes += body.text.size();
    read.events.push_back({.id = view.id().uuid(),
                           .recorded = event.batch.recorded(),
                           .type = std::string(view.type()),
                           .topic = event.log.topic,
                           .offset = event.offset,
                           .index = event.index,
                           .lane = webhooks::lane_of(wanted.order, view.id().uuid(),
                                                     event.log.topic, view.kind(), view.entity()),
                           .mark = behind,
                           .body = std::move(body)});
    return read.events.size() < events_max && bytes < bytes_max;
  };
  auto end = feed.forward(passed, std::nullopt, take);
  // What was taken before an event that cannot be read is delivered first.
  if (!end && read.events.empty()) return std::unexpected(std::move(end).error());
  read.reached_end = end && *end == Feed::End::reached;
  read.mark = end ? feed.mark_of(passed) : read.events.back().mark;
  return read;
}

Result<webhooks::EventBody> DeliveryReader::body(const webhooks::Scope& scope,
                                                 const webhooks::Wanted& wanted,
                                                 schemas::TopicId topic, schemas::Offset offset,
                                                 std::uint32_t index) {
  const auto partition =
      schemas::partition_of(scope.organization, services_.topics.partition_count());
  projections::Timeline timeline(services_.rows, services_.log, scope.organization, scope.space,
                                 partition);
  auto event = timeline.at(topic, offset, index);
  if (!event) return std::unexpected(std::move(event).error());
  return render(wanted, *event, services_.topics.name(topic));
}

}  // namespace api::resources
