#include "api/resources/answers.h"
#include "api/resources/delivery_reader.h"
#include "api/resources/event_writer.h"
#include "api/resources/events.h"
#include "api/resources/lists.h"
#include "api/resources/pipeline_operation.h"
#include "api/resources/pipeline_run.h"
#include "api/resources/pipelines.h"
#include "api/resources/pool.h"
#include "api/resources/ranges.h"
#include "api/resources/reading.h"
#include "api/resources/stream_hub.h"
#include "manager/manifest.h"
#include "schemas/json_writer.h"

/// What a pipeline would make of events of the past, beside what it makes of them as it is.
namespace api::resources {
namespace {

using schemas::json::Writer;
using webhooks::Transform;

constexpr std::int64_t differences_usual = 100;
constexpr std::chrono::seconds looked_for{10};

struct Asked {
  std::string from = "beginning";
  std::string to = "now";
  std::int64_t limit = differences_usual;
  std::optional<AskedPipeline> change;
};

awaitable<Result<Asked>> parse_asked(const Ask& ask, const projections::Pipeline& now) {
  Asked asked;
  ObjectReader reader(ask.body());
  asked.from = reader.optional_text("from", {.characters_max = 4'000}).value_or("beginning");
  asked.to = reader.optional_text("to", {.characters_max = 4'000}).value_or("now");
  asked.limit = reader.optional_integer("limit", {.min = 1, .max = 1'000}).value_or(asked.limit);
  const auto change = reader.optional_value("change");
  if (change && !change->is_null() && !change->is_object()) {
    reader.wrong("change", "must be an object");
  }
  if (auto read = reader.finish(); !read) co_return std::unexpected(std::move(read).error());
  if (!change || change->is_null()) co_return asked;
  auto patch = co_await patched(ask, now, *change);
  if (!patch) {
    for (auto& field : patch.error().fields) field.where = "/change" + field.where;
    co_return std::unexpected(std::move(patch).error());
  }
  asked.change = std::move(*patch);
  co_return asked;
}

/// What a declared product would say of what is written to it. What an operation would say depends
/// on how things are when it is asked.
class Sink {
 public:
  Sink(const Services& services, const webhooks::PipelineConfig& config)
      : product_(config.sink.product),
        is_operation_(!config.sink.operation.empty()),
        is_gone_(is_operation_ && find_sink_operation(config.sink.operation) == nullptr) {
    if (product_.empty()) return;
    const auto identity = *services.topics.find(eventstore::identity_product);
    const projections::Reader platform(services.rows, schemas::platform_organization, Space::live);
    const auto row = platform.get<projections::Product>(identity, {{}, product_});
    auto manifest = row ? manager::Manifest::parse(row->state.manifest, 1)
                        : Result<manager::Manifest>(schemas::fail(schemas::ErrorCode::not_found,
                                                                  "there is no such product"));
    if (manifest) manifest_ = std::move(*manifest);
  }

  /// Why it would be refused, if so.
  std::optional<std::string> refuses(const projections::TimelineEvent& event,
                                     const Transform::Made& made, const std::string& data,
                                     const std::vector<std::string>& sealed_places) const {
    if (product_.empty() && !is_operation_) return std::nullopt;
    if (const auto near = check_hops(event); !near) return near.error().detail;
    if (is_gone_) return "there is no such operation any more";
    if (is_operation_) return refuses_sealed(sealed_places);
    if (const auto command = command_of(made, data, product_); !command) {
      const auto& error = command.error();
      if (error.fields.empty()) return error.detail;
      return error.fields.front().where + ": " + error.fields.front().detail;
    }
    const auto kind = manifest_.kinds().find(made.kind);
    if (kind == manifest_.kinds().end()) {
      return product_ + " declares no kind '" + made.kind + "'";
    }
    const auto* type = kind->second.written_as(made.type);
    if (type == nullptr) return product_ + " declares no type '" + made.type + "' of " + made.kind;
    for (const auto& place : sealed_places) {
      const auto holds = [&](const std::string& sealed) {
        return place == sealed || place.starts_with(sealed + '/');
      };
      if (std::ranges::none_of(kind->second.sealed, holds)) {
        return "'" + place + "' is sealed where it comes from, and would not be in " + product_;
      }
    }
    if (!type->second.schema) return std::nullopt;
    const auto document = schemas::json::parse(data);
    if (!document) return document.error().detail;
    const auto faults = type->second.schema->check(document->root(), "/data");
    if (faults.empty()) return std::nullopt;
    return faults.front().where + ": " + faults.front().detail;
  }

 private:
  static std::optional<std::string> refuses_sealed(const std::vector<std::string>& places) {
    const auto may = check_nothing_sealed(places);
    return may ? std::nullopt : std::optional(may.error().detail);
  }

  std::string product_;
  bool is_operation_;
  bool is_gone_;
  manager::Manifest manifest_;
};

void write_made(Writer& writer, const webhooks::PipelineConfig::Sink& sink,
                const Transform::Made& made, const std::string& data) {
  if (sink.operation.empty()) {
    writer.member("kind", made.kind).member("entity", made.entity).member("type", made.type);
  } else {
    writer.member("operation", sink.operation).name("path").begin_object();
    for (std::size_t i = 0; i < made.path.size(); ++i) {
      writer.member(sink.path[i].first, made.path[i]);
    }
    writer.end_object();
  }
  writer.name("data").raw(data);
}

/// What one version makes of an event.
struct Made {
  bool of_source = false;
  bool parked = false;
  std::string json;  // empty: nothing
};

/// As it goes on from step to step.
class DryRun {
 public:
  DryRun(const Services& services, webhooks::Scope scope, MadePipeline current,
         std::optional<MadePipeline> changed, std::size_t limit)
      : services_(services),
        scope_(scope),
        current_(std::move(current)),
        changed_(std::move(changed)),
        sink_(services, current_.transform.config()),
        limit_(limit) {}

  /// Looks at the next events, for a moment.
  Result<void> step(const Range& range) {
    const DeliveryReader log(services_);
    const webhooks::Wanted wanted{
        .tests_of = {}, .types = {"*"}, .filter = {}, .project = {}, .until = range.to};
    const auto end = services_.clock.monotonic() + step_for;
    Result<void> failed;
    const auto take = [&](const projections::TimelineEvent& event, std::string_view product,
                          const std::string& behind) {
      failed = look_at(event, product, behind);
      if (failed) mark_ = behind;
      enough_ = count_ >= limit_ || differences_.size() > page_bytes_max;
      return failed && !enough_ && services_.clock.monotonic() < end;
    };
    if (mark_.empty()) mark_ = range.from;
    const auto walked = log.walk(scope_, wanted, mark_, take);
    if (!failed) return failed;
    if (!walked) return std::unexpected(walked.error());
    if (!walked->end) return walked->end;
    if (!enough_) mark_ = walked->mark;
    complete_ = walked->reached_end && !enough_;
    return {};
  }
  bool done() const { return complete_ || enough_; }

  std::string answer() const {
    std::string json;
    Writer writer(json);
    writer.begin_object()
        .member("events", events_)
        .member("taken", taken_)
        .member("parked", parked_)
        .name("differences")
        .raw(differences_ + "]")
        .member("complete", complete_)
        .member("next", complete_ ? std::nullopt : std::optional(mark_))
        .end_object();
    return json;
  }

 private:
  static constexpr std::chrono::milliseconds step_for{200};

  Result<Made> make(const MadePipeline& pipeline, const projections::TimelineEvent& event,
                    std::string_view product) const {
    Made made;
    made.of_source = pipeline.is_of_source(event, product);
    if (!made.of_source || !pipeline.takes(event, product)) return made;
    auto ran = run_pipeline(services_, scope_, pipeline.transform, event, product, {});
    std::vector<std::string> places;
    auto data = ran ? in_clear(ran->made, ran->opened, places)
                    : Result<std::string>(std::unexpected(ran.error()));
    if (!data && data.error().code != schemas::ErrorCode::invalid_request) {
      return std::unexpected(std::move(data).error());
    }
    auto error =
        data ? sink_.refuses(event, ran->made, *data, places) : std::optional(data.error().detail);
    made.parked = error.has_value();
    Writer writer(made.json);
    writer.begin_object();
    if (error) writer.member("error", *error);
    if (!error) write_made(writer, pipeline.transform.config().sink, ran->made, *data);
    writer.end_object();
    return made;
  }

  Result<void> look_at(const projections::TimelineEvent& event, std::string_view product,
                       const std::string& mark) {
    Made before;
    if (changed_) {
      auto made = make(current_, event, product);
      if (!made) return std::unexpected(std::move(made).error());
      before = std::move(*made);
    }
    const auto after = make(changed_ ? *changed_ : current_, event, product);
    if (!after) return std::unexpected(after.error());
    events_ += after->of_source ? 1 : 0;
    taken_ += after->json.empty() ? 0 : 1;
    parked_ += after->parked ? 1 : 0;
    if (before.json == after->json) return {};
    if (count_++ > 0) differences_ += ',';
    Writer writer(differences_);
    writer.begin_object()
        .member("event_id", to_text(event.event().id()))
        .member("event_type", event.event().type())
        .member("mark", mark)
        .name("before")
        .raw(before.json.empty() ? "null" : before.json)
        .name("after")
        .raw(after->json.empty() ? "null" : after->json)
        .end_object();
    return {};
  }

  const Services& services_;
  webhooks::Scope scope_;
  MadePipeline current_;
  std::optional<MadePipeline> changed_;
  Sink sink_;
  std::size_t limit_;
  std::uint64_t events_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t parked_ = 0;
  std::size_t count_ = 0;
  std::string differences_ = "[";
  std::string mark_;
  bool enough_ = false;
  bool complete_ = false;
};

}  // namespace

// POST /v2/pipelines/{pipeline_id}/dry-run
Answer dry_run_pipeline(Ask& ask) {
  if (auto may = may_read_events(ask); !may) co_return std::unexpected(std::move(may).error());
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto now = co_await pipeline_now(ask, *id);
  if (!now) co_return std::unexpected(now.error());
  const auto asked = co_await parse_asked(ask, now->state);
  if (!asked) co_return std::unexpected(asked.error());
  const auto config = webhooks::parse_pipeline_config(now->state.config);
  if (!config) co_return std::unexpected(config.error());
  auto may = may_run(ask, *config);
  if (may && asked->change) may = may_run(ask, asked->change->config);
  if (!may) co_return std::unexpected(std::move(may).error());
  auto reached = co_await reach_followed(ask, {}, marks_in(ask, asked->from, asked->to));
  if (!reached) co_return std::unexpected(std::move(reached).error());
  auto find = [&] { return find_range(ask, asked->from, asked->to); };
  const auto range = co_await answer_on(ask.services.records, find);
  if (!range) co_return std::unexpected(range.error());
  auto current = MadePipeline::of(*config, now->state.project);
  if (!current) co_return std::unexpected(std::move(current).error());
  std::optional<MadePipeline> changed;
  if (asked->change) {
    auto made = MadePipeline::of(asked->change->config, asked->change->project);
    if (!made) co_return std::unexpected(std::move(made).error());
    changed = std::move(*made);
  }
  const auto here = ask.here();
  DryRun run(ask.services, {here.organization, here.space}, std::move(*current), std::move(changed),
             static_cast<std::size_t>(asked->limit));
  const auto end = ask.services.clock.monotonic() + looked_for;
  // A step at a time, in line with others who read much.
  while (!run.done() && ask.services.clock.monotonic() < end) {
    const auto inside = co_await ask.services.streams.readers().enter(here.organization);
    auto work = [&] { return run.step(*range); };
    auto done = co_await answer_on(ask.services.scans, work);
    if (!done) co_return std::unexpected(std::move(done).error());
  }
  co_return http::json_response(200, run.answer());
}

}  // namespace api::resources
