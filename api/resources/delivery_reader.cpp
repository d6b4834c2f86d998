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

Result<std::string> DeliveryReader::render(const webhooks::Wanted& wanted,
                                           const projections::TimelineEvent& event,
                                           std::string_view product) const {
  std::string text;
  auto shown = append_event(text, event.batch, event.index, product, {}, &services_.sealing);
  if (!shown) return std::unexpected(std::move(shown).error());
  if (wanted.format == webhooks::DeliveryFormat::structured) return text;
  const auto document = schemas::json::parse(text);
  if (!document) return std::unexpected(document.error());
  return schemas::json::minify(*document->root().find("data"));
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
  std::optional<schemas::Error> failed;
  const auto take = [&](const projections::TimelineEvent& event, std::string_view product,
                        const std::string& behind) {
    auto body = render(wanted, event, product);
    if (!body) {
      failed = std::move(body).error();
      return false;
    }
    const auto view = event.event();
    bytes += body->size();
    read.events.push_back({.id = view.id().uuid(),
                           .recorded = event.batch.recorded(),
                           .type = std::string(view.type()),
                           .topic = event.log.topic,
                           .offset = event.offset,
                           .index = event.index,
                           .lane = webhooks::lane_of(wanted.order, view.id().uuid(),
                                                     event.log.topic, view.kind(), view.entity()),
                           .mark = behind,
                           .body = std::move(*body)});
    return read.events.size() < events_max && bytes < bytes_max;
  };
  auto end = feed.forward(passed, std::nullopt, take);
  if (!end) return std::unexpected(std::move(end).error());
  if (failed) return std::unexpected(std::move(*failed));
  read.reached_end = *end == Feed::End::reached;
  read.mark = feed.mark_of(passed);
  return read;
}

Result<std::string> DeliveryReader::body(const webhooks::Scope& scope,
                                         const webhooks::Wanted& wanted, schemas::TopicId topic,
                                         schemas::Offset offset, std::uint32_t index) {
  const auto partition =
      schemas::partition_of(scope.organization, services_.topics.partition_count());
  projections::Timeline timeline(services_.rows, services_.log, scope.organization, scope.space,
                                 partition);
  auto event = timeline.at(topic, offset, index);
  if (!event) return std::unexpected(std::move(event).error());
  return render(wanted, *event, services_.topics.name(topic));
}

}  // namespace api::resources
