#include "api/resources/answers.h"
#include "api/resources/delivery_reader.h"
#include "api/resources/events.h"
#include "api/resources/pipeline_run.h"
#include "api/resources/pipelines.h"
#include "api/resources/pool.h"
#include "api/resources/ranges.h"
#include "api/resources/reading.h"
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

Result<Asked> parse_asked(const Ask& ask, const projections::Pipeline& now) {
  Asked asked;
  ObjectReader reader(ask.body());
  asked.from = reader.optional_text("from", {.characters_max = 4'000}).value_or("beginning");
  asked.to = reader.optional_text("to", {.characters_max = 4'000}).value_or("now");
  asked.limit = reader.optional_integer("limit", {.min = 1, .max = 1'000}).value_or(asked.limit);
  const auto change = reader.optional_value("change");
  if (change && !change->is_null() && !change->is_object()) {
    reader.wrong("change", "must be an object");
  }
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  if (!change || change->is_null()) return asked;
  auto patch = patched(ask, now, *change);
  if (!patch) {
    for (auto& field : patch.error().fields) field.where = "/change" + field.where;
    return std::unexpected(std::move(patch).error());
  }
  asked.change = std::move(*patch);
  return asked;
}

class DryRun {
 public:
  DryRun(const Services& services, webhooks::Scope scope, std::size_t limit)
      : services_(services), scope_(scope), limit_(limit) {}

  /// What one version makes of an event: JSON; empty: nothing.
  struct Made {
    bool of_source = false;
    bool parked = false;
    std::string json;
  };
  Result<Made> make(const Transform& transform, const std::optional<schemas::Uuid>& project,
                    const projections::TimelineEvent& event, std::string_view product) const {
    Made made;
    if (!is_of_source(transform.config(), event.event().type(), product)) return made;
    if (project && schemas::project_in(event.event().data()) != project) return made;
    made.of_source = true;
    const auto document = schemas::json::parse(event_of(event, product));
    ENSURE(document.has_value());
    if (!transform.takes(document->root())) return made;
    Writer writer(made.json);
    writer.begin_object();
    auto ran = run_pipeline(services_, scope_, transform, event, product, {});
    std::vector<std::string> places;
    auto data = ran ? in_clear(ran->made.data, ran->opened, places)
                    : Result<std::string>(std::unexpected(ran.error()));
    if (!data && data.error().code != schemas::ErrorCode::invalid_request) {
      return std::unexpected(std::move(data).error());
    }
    made.parked = !data;
    if (data) {
      writer.member("kind", ran->made.kind)
          .member("entity", ran->made.entity)
          .member("type", ran->made.type)
          .name("data")
          .raw(*data);
    } else {
      writer.member("error", data.error().detail);
    }
    writer.end_object();
    return made;
  }

  /// False: enough.
  Result<bool> add(const projections::TimelineEvent& event, const std::string& mark,
                   const std::optional<Made>& before, const Made& after) {
    if (after.of_source) ++events_;
    if (!after.json.empty()) ++taken_;
    if (after.parked) ++parked_;
    const std::string none;
    const auto& was = before ? before->json : none;
    if (was == after.json) return true;
    if (count_++ > 0) differences_ += ',';
    Writer writer(differences_);
    writer.begin_object()
        .member("event_id", to_text(event.event().id()))
        .member("event_type", event.event().type())
        .member("mark", mark)
        .name("before")
        .raw(was.empty() ? "null" : was)
        .name("after")
        .raw(after.json.empty() ? "null" : after.json)
        .end_object();
    return count_ < limit_;
  }

  std::string answer(bool complete, const std::string& next) const {
    std::string json;
    Writer writer(json);
    writer.begin_object()
        .member("events", events_)
        .member("taken", taken_)
        .member("parked", parked_)
        .name("differences")
        .raw("[" + differences_ + "]")
        .member("complete", complete)
        .member("next", complete ? std::nullopt : std::optional(next))
        .end_object();
    return json;
  }

 private:
  const Services& services_;
  webhooks::Scope scope_;
  std::size_t limit_;
  std::uint64_t events_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t parked_ = 0;
  std::size_t count_ = 0;
  std::string differences_;
};

Result<std::string> run(const Ask& ask, const Asked& asked, const projections::Pipeline& now) {
  const auto here = ask.here();
  const webhooks::Scope scope{here.organization, here.space};
  auto range = find_range(ask, asked.from, asked.to);
  if (!range) return std::unexpected(std::move(range).error());
  const auto config = webhooks::parse_pipeline_config(now.config);
  if (!config) return std::unexpected(config.error());
  const auto current = Transform::compile(*config);
  if (!current) return std::unexpected(current.error());
  std::optional<Transform> changed;
  if (asked.change) {
    auto compiled = Transform::compile(asked.change->config);
    if (!compiled) return std::unexpected(std::move(compiled).error());
    changed = std::move(*compiled);
  }
  DryRun dry_run(ask.services, scope, static_cast<std::size_t>(asked.limit));
  const auto end = ask.services.clock.monotonic() + looked_for;
  const DeliveryReader log(ask.services);
  webhooks::Wanted wanted{.tests_of = {}, .types = {"*"}, .filter = {}, .project = {}};
  wanted.until = range->to;
  auto mark = range->from;
  Result<void> failed;
  bool enough = false;
  const auto take = [&](const projections::TimelineEvent& event, std::string_view product,
                        const std::string& behind) {
    mark = behind;
    std::optional<DryRun::Made> before;
    if (changed) {
      auto made = dry_run.make(*current, now.project, event, product);
      if (!made) failed = std::unexpected(made.error());
      if (made) before = std::move(*made);
    }
    const auto& project = asked.change ? asked.change->project : now.project;
    auto after = dry_run.make(changed ? *changed : *current, project, event, product);
    if (!after) failed = std::unexpected(after.error());
    if (!failed) return false;
    const auto more = dry_run.add(event, behind, before, *after);
    enough = !*more || ask.services.clock.monotonic() > end;
    return !enough;
  };
  while (true) {
    auto walked = log.pass(scope, wanted, mark, take);
    if (!walked) return std::unexpected(std::move(walked).error());
    if (!failed) return std::unexpected(std::move(failed).error());
    if (enough) return dry_run.answer(false, mark);
    mark = walked->mark;
    if (walked->reached_end) return dry_run.answer(true, mark);
    if (ask.services.clock.monotonic() > end) return dry_run.answer(false, mark);
  }
}

}  // namespace

// POST /v2/pipelines/{pipeline_id}/dry-run
Answer dry_run_pipeline(Ask& ask) {
  auto id = pipeline_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  const auto now = co_await pipeline_now(ask, *id);
  if (!now) co_return std::unexpected(now.error());
  const auto asked = parse_asked(ask, now->state);
  if (!asked) co_return std::unexpected(asked.error());
  const auto config = webhooks::parse_pipeline_config(now->state.config);
  if (!config) co_return std::unexpected(config.error());
  auto may = may_run(ask, *config);
  if (may && asked->change) may = may_run(ask, asked->change->config);
  if (!may) co_return std::unexpected(std::move(may).error());
  auto reached = co_await reach_followed(ask, {}, marks_in(ask, asked->from, asked->to));
  if (!reached) co_return std::unexpected(std::move(reached).error());
  auto work = [&] { return run(ask, *asked, now->state); };
  auto json = co_await answer_on(ask.services.scans, work);
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return http::json_response(200, std::move(*json));
}

}  // namespace api::resources
