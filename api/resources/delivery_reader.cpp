#include "api/resources/delivery_reader.h"

#include "api/resources/event_json.h"
#include "api/resources/feed.h"
#include "api/resources/pipeline_run.h"
#include "projections/delivery_rows.h"
#include "schemas/json_writer.h"
#include "schemas/planted.h"

namespace api::resources {
namespace {

EventFilter filter_of(const webhooks::Wanted& wanted) {
  EventFilter filter{.types = wanted.types,
                     .of_products = wanted.products,
                     .where = wanted.filter,
                     .tests_of = wanted.tests_of};
  if (!wanted.project) return filter;
  auto access = std::make_shared<projections::Access>();
  access->projects = {to_text(schemas::ProjectId(*wanted.project))};
  filter.access = std::move(access);
  return filter;
}

/// Where a range ends: behind the newest event that a mark has passed. Of events before that one,
/// those of a topic that the mark has not passed are not of the range: they came later.
struct RangeEnd {
  Passed passed;
  TimelineKey key;
};

RangeEnd end_at(const Feed& feed, const std::vector<MarkedPosition>& mark) {
  RangeEnd end{feed.passed_at(mark), {}};
  if (auto newest = feed.newest(end.passed, Feed::WholeRecord::last_event)) {
    end.key = *newest;
    ++end.key.index;
  }
  return end;
}

/// Whether the rows show everything that a mark has passed.
bool reached(const Services& services, const std::vector<MarkedPosition>& mark) {
  return std::ranges::all_of(mark, [&](const MarkedPosition& position) {
    return is_names_all(position) ||
           static_cast<std::int64_t>(services.progress.applied_end(position.log)) > position.offset;
  });
}

/// Of a fault's text.
constexpr std::size_t reason_bytes_max = 1'000;
/// Expressions cost what they cost: a read of events that go through a pipeline ends then, since
/// others wait for its thread.
constexpr std::chrono::milliseconds step_for{100};

/// A pipeline as its events are read.
class Step {
 public:
  Step(const Services& services, const webhooks::Scope& scope, const webhooks::PipelineStep& step)
      : services_(services), scope_(scope), step_(step) {
    if (!step.version) versions_ = services.pipelines.versions(services, scope, step.id);
  }
  /// `pinned`: as which version of it, and with what it was before. An error: not yet.
  Result<bool> takes(const projections::TimelineEvent& event, std::string_view product,
                     webhooks::Pinned& pinned) {
    pinned = {};
    if (step_.version) {
      pinned.version = *step_.version;
    } else if (!pin(event, pinned)) {
      return false;
    }
    if (!pipeline_ || version_ != pinned.version) {
      auto pipeline = services_.pipelines.of(services_, scope_, step_.id, pinned.version);
      if (!pipeline && pipeline.error().code == schemas::ErrorCode::invalid_request) return true;
      if (!pipeline) return std::unexpected(std::move(pipeline).error());
      pipeline_ = std::move(*pipeline);
      version_ = pinned.version;
    }
    return pipeline_->takes(event, product);
  }

 private:
  /// As its delivery has it, if there is one (that of a replay before, if it is of that one); else
  /// as the place where it stands.
  bool pin(const projections::TimelineEvent& event, webhooks::Pinned& pinned) const {
    const projections::Reader reader(services_.rows, scope_.organization, scope_.space);
    const auto deliveries = *services_.topics.find(eventstore::deliveries_product);
    for (const auto& channel : {step_.of, std::optional(step_.id)}) {
      if (!channel || planted(schemas::Fault::make_all_as_it_is_now)) continue;
      const auto id =
          projections::delivery_id(*channel, event.event().id().uuid(), event.batch.recorded());
      const auto row = reader.get<projections::Delivery>(deliveries, {id, {}});
      if (!row || row->state.pipeline != step_.id) continue;
      pinned = {row->state.version, row->state.found};
      return true;
    }
    const auto version = versions_->at(event);
    if (version) pinned.version = *version;
    return version.has_value();
  }

  const Services& services_;
  const webhooks::Scope& scope_;
  const webhooks::PipelineStep& step_;
  std::shared_ptr<const PipelineVersions> versions_;
  std::shared_ptr<const MadePipeline> pipeline_;
  schemas::Version version_{};
};

/// The CloudEvent that a pipeline makes for an endpoint.
std::string made_event(const projections::TimelineEvent& event, const schemas::Uuid& pipeline,
                       const schemas::Uuid& id, const webhooks::Transform::Made& made,
                       std::string_view data) {
  std::string text;
  const auto& batch = event.batch;
  schemas::json::Writer(text)
      .begin_object()
      .member("specversion", "1.0")
      .member("id", to_text(schemas::EventId(id)))
      .member("source", "/pipelines/" + to_text(schemas::PipelineId(pipeline)))
      .member("type", made.type)
      .member("subject", made.entity)
      .member("time", event.event().occurred())
      .member("datacontenttype", "application/json")
      .member("organization", to_text(batch.organization()))
      .member("space", to_text(batch.space()))
      .member("kind", made.kind)
      .member("recordedtime", batch.recorded())
      .member("correlationid", batch.correlation())
      .member("causationid", to_text(event.event().id()))
      .name("data")
      .raw(data)
      .end_object();
  return text;
}

}  // namespace

/// The same for the same event and version, whoever sends it and however often.
Result<webhooks::EventBody> DeliveryReader::make(const webhooks::Scope& scope,
                                                 const webhooks::Wanted& wanted,
                                                 const projections::TimelineEvent& event,
                                                 std::string_view product,
                                                 webhooks::Pinned& pinned) const {
  if (!wanted.pipeline) return render(wanted, event, product);
  const auto parked = [](std::string why) {
    why.resize(std::min(why.size(), reason_bytes_max));
    return webhooks::EventBody{.text = {}, .fault = std::move(why), .parks = true};
  };
  const auto& pipeline = wanted.pipeline->id;
  const auto not_made = [&](schemas::Error error) -> Result<webhooks::EventBody> {
    using enum schemas::ErrorCode;
    if (error.code == invalid_request) return parked(std::move(error.detail));
    if (error.code == root_key_missing) return webhooks::EventBody{{}, std::move(error.detail)};
    return std::unexpected(std::move(error));
  };
  const auto version = services_.pipelines.of(services_, scope, pipeline, pinned.version);
  if (!version) return not_made(version.error());
  auto ran = run_pipeline(services_, scope, (*version)->transform, event, product, pinned.found);
  if (!ran) return not_made(std::move(ran).error());
  pinned.found = std::move(ran->found);
  std::vector<std::string> places;
  auto data = in_clear(ran->made, ran->opened, places);
  if (!data) return parked(data.error().detail);
  if (!schemas::json::parse(*data)) return parked("what the pipeline made nests too deep");
  const auto id =
      projections::delivery_id(pipeline, event.event().id().uuid(), event.batch.recorded());
  if (wanted.format == webhooks::DeliveryFormat::data) {
    return webhooks::EventBody{std::move(*data), {}, id};
  }
  return webhooks::EventBody{made_event(event, pipeline, id, ran->made, *data), {}, id};
}

webhooks::EventBody DeliveryReader::render(const webhooks::Wanted& wanted,
                                           const projections::TimelineEvent& event,
                                           std::string_view product) const {
  webhooks::EventBody body;
  auto shown = append_event(body.text, event.batch, event.index, product, {}, &services_.sealing);
  if (!shown) return {.text = {}, .fault = "the event cannot be shown: " + shown.error().detail};
  if (wanted.format == webhooks::DeliveryFormat::structured) return body;
  const auto document = schemas::json::parse(body.text);
  if (!document) return {.text = {}, .fault = "the event nests too deep to be cut"};
  return {.text = schemas::json::minify(*document->root().find("data"))};
}

Result<projections::Places> DeliveryReader::places(const webhooks::Scope& scope,
                                                   const std::string& mark) {
  const auto positions = services_.marks.decode(scope.organization, scope.space, mark);
  if (!positions) return std::unexpected(positions.error());
  const auto snapshot = services_.rows.snapshot();
  const EventFilter all;
  const Feed feed(services_, *snapshot, {scope.organization, scope.space}, all);
  projections::Places places;
  for (const auto& position : feed.passed_at(*positions).positions) {
    places[position.log.topic] = {position.offset, position.index};
  }
  return places;
}

/// Passes wanted events from a mark on, once; where it got to, and why it ended.
Result<DeliveryReader::Walked> DeliveryReader::walk(const webhooks::Scope& scope,
                                                    const webhooks::Wanted& wanted,
                                                    const std::string& mark,
                                                    const Feed::Take& take) const {
  const auto decode = [&](const std::string& text) {
    return services_.marks.decode(scope.organization, scope.space, text);
  };
  auto positions = decode(mark);
  if (!positions) return std::unexpected(std::move(positions).error());
  std::vector<MarkedPosition> until;
  const bool has_end = !wanted.until.empty();
  if (has_end) {
    auto decoded = decode(wanted.until);
    if (!decoded) return std::unexpected(std::move(decoded).error());
    until = std::move(*decoded);
  }
  const bool shows_all = has_end && reached(services_, until);  // before the rows are looked at
  const auto filter = filter_of(wanted);
  const auto snapshot = services_.rows.snapshot();
  const Feed feed(services_, *snapshot, {scope.organization, scope.space}, filter);
  auto passed = feed.passed_at(*positions);
  std::optional<RangeEnd> range_end;
  if (has_end && !planted(schemas::Fault::replay_past_its_end)) range_end = end_at(feed, until);
  const auto in_range = [&](const projections::TimelineEvent& event, std::string_view product,
                            const std::string& behind) {
    if (range_end && !range_end->passed.contains(event)) return true;
    return take(event, product, behind);
  };
  const auto end =
      feed.forward(passed, range_end ? std::optional(range_end->key) : std::nullopt, in_range);
  const bool reached_end = end && *end == Feed::End::reached;
  return Walked{.end = end ? Result<void>() : Result<void>(std::unexpected(end.error())),
                .mark = feed.mark_of(passed),
                .reached_end = reached_end,
                .complete = reached_end && shows_all};
}

Result<webhooks::ReadEvents> DeliveryReader::read(const webhooks::Scope& scope,
                                                  const webhooks::Wanted& wanted,
                                                  const std::string& mark, std::size_t events_max,
                                                  std::size_t bytes_max) {
  webhooks::ReadEvents read;
  std::size_t bytes = 0;
  std::optional<Step> step;
  if (wanted.pipeline) step.emplace(services_, scope, *wanted.pipeline);
  Result<void> failed;
  const auto until = services_.clock.monotonic() + step_for;
  const auto take = [&](const projections::TimelineEvent& event, std::string_view product,
                        const std::string& behind) {
    webhooks::Pinned pinned;
    if (step) {
      const auto takes = step->takes(event, product, pinned);
      if (!takes) failed = std::unexpected(takes.error());
      if (!takes) return false;
      if (!*takes) return services_.clock.monotonic() < until;
    }
    webhooks::EventBody body;
    if (wanted.with_body) {
      auto made = make(scope, wanted, event, product, pinned);
      if (!made) {
        failed = std::unexpected(std::move(made).error());
        return false;
      }
      body = std::move(*made);
    }
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
                           .body = std::move(body),
                           .pinned = std::move(pinned)});
    const bool more = read.events.size() < events_max && bytes < bytes_max;
    return more && (!step || services_.clock.monotonic() < until);
  };
  auto walked = walk(scope, wanted, mark, take);
  if (!walked) return std::unexpected(std::move(walked).error());
  if (!failed) walked->end = std::move(failed);
  // What was taken before an event that cannot be read is delivered first.
  if (!walked->end && read.events.empty()) return std::unexpected(std::move(walked->end).error());
  read.reached_end = walked->reached_end;
  read.complete = walked->complete;
  read.mark = walked->end ? std::move(walked->mark) : read.events.back().mark;
  return read;
}

Result<void> DeliveryReader::count(
    const webhooks::Scope& scope, const webhooks::Wanted& wanted,
    const std::function<bool(const projections::TimelineEvent&)>& counts,
    CountedEvents& counted) const {
  std::optional<Step> step;
  if (wanted.pipeline) step.emplace(services_, scope, *wanted.pipeline);
  Result<void> failed;
  const auto until = services_.clock.monotonic() + step_for;
  const auto take = [&](const projections::TimelineEvent& event, std::string_view product,
                        const std::string&) {
    webhooks::Pinned pinned;
    const auto takes = step ? step->takes(event, product, pinned) : Result<bool>(true);
    if (!takes) failed = std::unexpected(takes.error());
    if (!takes) return false;
    if (*takes && (!counts || counts(event))) {
      ++counted.events;
      ++counted.types[std::string(event.event().type())];
    }
    return !step || services_.clock.monotonic() < until;
  };
  auto walked = walk(scope, wanted, counted.mark, take);
  if (!failed) return failed;
  if (!walked) return std::unexpected(std::move(walked).error());
  if (!walked->end) return walked->end;
  counted.complete = walked->reached_end;
  counted.mark = std::move(walked->mark);
  return {};
}

Result<webhooks::EventBody> DeliveryReader::body(const webhooks::Scope& scope,
                                                 const webhooks::Wanted& wanted,
                                                 schemas::TopicId topic, schemas::Offset offset,
                                                 std::uint32_t index, webhooks::Pinned& pinned) {
  const auto partition =
      schemas::partition_of(scope.organization, services_.topics.partition_count());
  projections::Timeline timeline(services_.rows, services_.log, scope.organization, scope.space,
                                 partition);
  auto event = timeline.at(topic, offset, index);
  if (!event) return std::unexpected(std::move(event).error());
  return make(scope, wanted, *event, services_.topics.name(topic), pinned);
}

}  // namespace api::resources
