#include "api/resources/pipeline_run.h"

#include <algorithm>
#include <thread>
#include <tuple>

#include <fmt/format.h>

#include "api/resources/event_json.h"
#include "api/resources/pipeline_operation.h"
#include "api/resources/projects.h"
#include "api/resources/resources.h"
#include "api/resources/sealed_fields.h"
#include "projections/trimming.h"
#include "schemas/json_writer.h"
#include "schemas/planted.h"
#include "schemas/sealed_text.h"
#include "schemas/type_pattern.h"

namespace api::resources {

using projections::Pipeline;
using projections::TimelineEvent;
using schemas::ErrorCode;
using schemas::Result;
using schemas::json::Document;
using webhooks::Transform;

namespace {

std::unexpected<schemas::Error> refused(std::string detail) {
  return schemas::fail(ErrorCode::invalid_request, std::move(detail));
}

TopicId topic_of(const Services& services, std::string_view product) {
  return *services.topics.find(product);
}

schemas::Entity cursor_of(const schemas::Uuid& pipeline) {
  return projections::Channel{{}, {}, pipeline}.cursor();
}

}  // namespace

// ---- which version ----

PipelineVersions::PipelineVersions(const Services& services, const projections::RowReader& rows,
                                   const webhooks::Scope& scope, const schemas::Uuid& pipeline) {
  using projections::DeliveryCursor;
  const projections::Reader reader(rows, scope.organization, scope.space);
  const auto deliveries = topic_of(services, eventstore::deliveries_product);
  const auto entity = cursor_of(pipeline);
  const EventFilter filter;
  const Feed feed(services, rows, {scope.organization, scope.space}, filter);
  const auto state_at = [&](std::uint64_t version) {
    const auto row =
        reader.find_at(deliveries, DeliveryCursor::kind, entity, schemas::Version{version});
    return row ? projections::decode_row<DeliveryCursor>(*row).state : DeliveryCursor{};
  };
  const auto last = to_number(reader.existence(deliveries, DeliveryCursor::kind, entity).version);
  for (std::uint64_t at = 1; at <= last;) {
    const auto state = state_at(at);
    const auto mark = services.marks.decode(scope.organization, scope.space, state.mark);
    if (mark) begun_.emplace_back(state.version, feed.passed_at(*mark));
    // The first behind it of another version.
    auto same = at;
    for (auto other = last + 1; other - same > 1;) {
      const auto middle = same + (other - same) / 2;
      (state_at(middle).version == state.version ? same : other) = middle;
    }
    at = same + 1;
  }
}

std::optional<schemas::Version> PipelineVersions::at(const TimelineEvent& event) const {
  for (auto begun = begun_.rbegin(); begun != begun_.rend(); ++begun) {
    if (planted(schemas::Fault::make_all_as_it_is_now)) return begun->first;
    if (!begun->second.contains(event)) return begun->first;
  }
  if (begun_.empty()) return std::nullopt;
  return begun_.front().first;
}

bool operator<(const PipelineCache::Key& left, const PipelineCache::Key& right) {
  const auto tied = [](const PipelineCache::Key& key) {
    return std::tuple(key.scope.organization.uuid(), key.scope.space, key.pipeline, key.version);
  };
  return tied(left) < tied(right);
}

Result<std::shared_ptr<const MadePipeline>> PipelineCache::of(const Services& services,
                                                              const webhooks::Scope& scope,
                                                              const schemas::Uuid& pipeline,
                                                              schemas::Version version) {
  const Key key{scope, pipeline, to_number(version)};
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = made_.find(key); known != made_.end()) return known->second;
  }
  const projections::Reader reader(services.rows, scope.organization, scope.space);
  const auto topic = topic_of(services, eventstore::webhooks_product);
  const auto row = reader.find_at(topic, Pipeline::kind, {pipeline, {}}, version);
  if (!row && reader.existence(topic, Pipeline::kind, {pipeline, {}}).version < version) {
    return schemas::fail(ErrorCode::internal, "the pipeline's version is not read yet");
  }
  if (!row) return refused("the pipeline was deleted");
  auto state = projections::decode_row<Pipeline>(*row).state;
  const auto config = webhooks::parse_pipeline_config(state.config);
  if (!config) return refused("the pipeline cannot be read: " + config.error().detail);
  auto compiled = MadePipeline::of(*config, state.project);
  if (!compiled) return refused("the pipeline cannot be read: " + compiled.error().detail);
  auto made = std::make_shared<const MadePipeline>(std::move(*compiled));
  const std::lock_guard lock(mutex_);
  if (made_.size() >= kept_max) made_.clear();
  made_.insert_or_assign(key, made);
  return made;
}

std::shared_ptr<const PipelineVersions> PipelineCache::versions(const Services& services,
                                                                const webhooks::Scope& scope,
                                                                const schemas::Uuid& pipeline) {
  const projections::Reader reader(services.rows, scope.organization, scope.space);
  const auto deliveries = topic_of(services, eventstore::deliveries_product);
  // Before they are read: they may be of a later one.
  const auto at =
      reader.existence(deliveries, projections::DeliveryCursor::kind, cursor_of(pipeline));
  const Key key{scope, pipeline, to_number(at.version)};
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = versions_.find(key); known != versions_.end()) return known->second;
  }
  auto versions =
      std::make_shared<const PipelineVersions>(services, services.rows, scope, pipeline);
  const std::lock_guard lock(mutex_);
  if (versions_.size() >= kept_max) versions_.clear();
  versions_.insert_or_assign(key, versions);
  return versions;
}

// ---- what expressions see ----

namespace {

/// A copy of `root` with texts in the place of what is sealed. `clear`: what it is there; null: the
/// texts alone.
std::string hidden(schemas::json::Value root, const Document* clear, Opened& opened) {
  return schemas::json::rewrite(
      root,
      [&](std::string_view pointer, schemas::json::Value value) -> std::optional<std::string> {
        if (!value.is_string() || !schemas::parse_sealed_text(*value.as_string())) {
          return std::nullopt;
        }
        auto name = fmt::format("sealed:1:{}", opened.size());
        const auto there =
            clear != nullptr ? schemas::json::resolve(clear->root(), pointer) : std::nullopt;
        auto quoted = schemas::json::quote(name);
        opened.emplace(std::move(name), there ? schemas::json::minify(*there) : "null");
        return quoted;
      });
}

/// The same of what it is in clear. An error of code invalid_request: it does not open.
Result<std::string> hide_sealed(eventstore::Sealing& sealing, const SealedPlace& place,
                                std::string_view json, Opened& opened) {
  if (!schemas::may_hold_sealed(json)) return std::string(json);
  auto text = open_sealed(sealing, place, json);
  const bool is_broken = !text && text.error().code != ErrorCode::root_key_missing;
  if (is_broken) return refused("a sealed value cannot be shown: " + text.error().detail);
  if (!text) return std::unexpected(std::move(text).error());
  const auto sealed = schemas::json::parse(json);
  const auto clear = schemas::json::parse(*text);
  ENSURE(sealed.has_value());
  if (!clear) return refused("a sealed value cannot be shown: " + clear.error().detail);
  return hidden(sealed->root(), &*clear, opened);
}

/// The event as its readers see it, but for its data, of which `hide` makes what expressions see.
using Hide = std::function<Result<std::string>(std::string_view json)>;
Result<Document> document_of(const TimelineEvent& event, std::string_view product,
                             const Hide& hide) {
  std::string text;
  const auto shown = append_event(text, event.batch, event.index, product, {}, nullptr);
  if (!shown) return std::unexpected(shown.error());
  const auto data = event.event().data();
  const auto* json = std::get_if<schemas::Json>(&data);
  if (json != nullptr && schemas::may_hold_sealed(json->text)) {
    const auto without = hide(json->text);
    if (!without) return std::unexpected(without.error());
    text.replace(text.rfind(json->text), json->text.size(), *without);  // the last member
  }
  auto document = schemas::json::parse(text);
  if (!document) return refused("the event nests too deep for expressions");
  return document;
}

}  // namespace

Result<MadePipeline> MadePipeline::of(const webhooks::PipelineConfig& config,
                                      const std::optional<schemas::Uuid>& project) {
  auto transform = Transform::compile(config);
  if (!transform) return std::unexpected(std::move(transform).error());
  return MadePipeline{.transform = std::move(*transform), .project = project};
}

bool MadePipeline::is_of_source(const TimelineEvent& event, std::string_view product) const {
  const auto& config = transform.config();
  const auto matches = [&](const std::string& pattern) {
    return schemas::type_fits(pattern, event.event().type());
  };
  if (std::ranges::none_of(config.types, matches)) return false;
  // What it writes to a declared product goes through it once more only where somebody says so.
  const bool of_products = config.products.empty() ? product != config.sink.product
                                                   : std::ranges::find(config.products, product) !=
                                                         config.products.end();
  return of_products && (!project || project_of(event.event()) == project);
}

/// What no expression can look at is taken, so that the attempt says so.
bool MadePipeline::takes(const TimelineEvent& event, std::string_view product) const {
  if (!is_of_source(event, product)) return false;
  if (transform.takes_all()) return true;
  const auto document = document_of(event, product, [](std::string_view json) {
    const auto sealed = schemas::json::parse(json);
    ENSURE(sealed.has_value());
    Opened names;
    return Result<std::string>(hidden(sealed->root(), nullptr, names));
  });
  return !document || transform.takes(document->root());
}

// ---- what comes out ----

namespace {

/// A row whose history is trimmed is folded anew if that is little: others wait for the thread, and
/// what is little is so at any time.
constexpr projections::RestoreLimits restore_limits{
    .events = 1'000, .bytes = std::size_t{4} << 20, .time = std::chrono::minutes(1)};

std::unexpected<schemas::Error> late() {
  return schemas::fail(ErrorCode::internal, "rows to be looked up are not read yet");
}

struct Lookups {
  const Services& services;
  const webhooks::Scope& scope;
  const TimelineEvent& event;
  projections::Reader reader{services.rows, scope.organization, scope.space};

  std::optional<schemas::Entity> entity_of(const webhooks::Enrichment& enrichment,
                                           const std::string& id) const {
    const auto of = [](const auto& parsed) -> std::optional<schemas::Entity> {
      if (!parsed) return std::nullopt;
      return schemas::Entity{parsed->uuid(), {}};
    };
    if (enrichment.product == eventstore::projects_product) {
      return of(schemas::parse_id<schemas::ProjectTag>(id));
    }
    if (enrichment.product == eventstore::resources_product) {
      return of(schemas::parse_id<schemas::ResourceTag>(id));
    }
    return schemas::Entity{{}, id};
  }

  /// As it was at the event, or in a version that was found before. Of the event's own product that
  /// is behind the event; of another, behind what was accepted no later.
  Result<std::optional<std::string>> row(TopicId topic, const webhooks::Enrichment& enrichment,
                                         const schemas::Entity& entity,
                                         const std::uint64_t* before) const {
    std::optional<std::string> row;
    if (planted(schemas::Fault::look_rows_up_as_they_are)) {
      row = reader.find(topic, enrichment.kind, entity);
    } else if (before != nullptr) {
      if (*before == 0) return std::nullopt;
      row = reader.find_at(topic, enrichment.kind, entity, schemas::Version{*before});
    } else {
      if (topic != event.log.topic) {
        auto there = wait_for_rows(services, event, topic, scope.organization);
        if (!there) return std::unexpected(std::move(there).error());
      }
      // Of what was accepted in the same millisecond the topic says what stands before.
      const auto until =
          event.batch.recorded() - std::chrono::milliseconds(topic > event.log.topic);
      const auto offset = topic == event.log.topic ? static_cast<std::int64_t>(event.offset)
                                                   : reader.offset_at(topic, until);
      if (offset >= 0) row = reader.find_as_of(topic, enrichment.kind, entity, offset);
    }
    if (!row || !projections::decode_head(*row, nullptr).trimmed) return row;
    auto whole = projections::restore(
        services.rows, services.log, services.topics.log_of(topic, scope.organization),
        {scope.organization, scope.space, topic, enrichment.kind}, entity, *row, restore_limits);
    if (whole) return std::optional(std::move(*whole));
    if (whole.error().code != ErrorCode::history_trimmed) return std::unexpected(whole.error());
    return refused(
        fmt::format("the pipeline's enrich, '{}': {}", enrichment.as, whole.error().detail));
  }

  /// Appends the row as JSON; answers its version.
  Result<std::uint64_t> append(std::string& json, const webhooks::Enrichment& enrichment,
                               const schemas::Entity& entity, const std::string& row,
                               Opened& opened) const {
    if (enrichment.product == eventstore::projects_product) {
      render_project(json, scope.organization, {entity, row});
      return to_number(projections::decode_row<projections::Project>(row).head.version);
    }
    if (enrichment.product == eventstore::resources_product) {
      render_resource(json, scope.organization, {entity, row});
      return to_number(projections::decode_row<projections::Resource>(row).head.version);
    }
    const auto declared = projections::decode_row<projections::Declared>(row);
    auto state = hide_sealed(
        services.sealing,
        {scope.organization, scope.space, enrichment.product, enrichment.kind, entity.name},
        declared.state.json, opened);
    if (!state) return std::unexpected(std::move(state).error());
    json += *state;
    return to_number(declared.head.version);
  }

  /// An object with a member for each.
  Result<Document> all(const Transform& transform, const std::vector<std::string>& ids,
                       const std::vector<std::uint64_t>& before, Ran& ran) const {
    std::string json = "{";
    const auto& enrich = transform.config().enrich;
    for (std::size_t i = 0; i < enrich.size(); ++i) {
      if (i > 0) json += ',';
      json += schemas::json::quote(enrich[i].as);
      json += ':';
      const auto topic = services.topics.find(enrich[i].product);
      if (!topic) return late();
      const auto entity = entity_of(enrich[i], ids[i]);
      std::optional<std::string> row;
      if (entity && !ids[i].empty()) {
        auto found = this->row(*topic, enrich[i], *entity,
                               before.size() == enrich.size() ? &before[i] : nullptr);
        if (!found) return std::unexpected(std::move(found).error());
        row = std::move(*found);
      }
      std::uint64_t version = 0;
      if (row) {
        auto appended = append(json, enrich[i], *entity, *row, ran.opened);
        if (!appended) return std::unexpected(std::move(appended).error());
        version = *appended;
      } else {
        json += "null";
      }
      ran.found.push_back(version);
    }
    auto document = schemas::json::parse(json + '}');
    if (!document) return refused("a row nests too deep for expressions");
    return document;
  }
};

/// Whether something of what is sealed stands in a text.
bool has_sealed(std::string_view text, const Opened& opened) {
  constexpr std::string_view begin = "sealed:1:";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (auto at = text.find(begin); at != text.npos; at = text.find(begin, at + 1)) {
    auto end = at + begin.size();
    while (end < text.size() && is_digit(text[end])) ++end;
    if (opened.contains(text.substr(at, end - at))) return true;
  }
  return false;
}

}  // namespace

Result<void> wait_for_rows(const Services& services, const TimelineEvent& event, TopicId topic,
                           schemas::OrganizationId organization) {
  const auto log = services.topics.log_of(topic, organization);
  if (services.progress.frozen({organization, event.batch.space(), topic})) return late();
  if (services.progress.applied(log).recorded > event.batch.recorded()) return {};
  const auto end = services.log.ask_end(log);
  if (!end) return late();
  for (int i = 0; i < 25; ++i) {
    if (services.progress.applied_end(log) >= *end) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return late();
}

Result<Ran> run_pipeline(const Services& services, const webhooks::Scope& scope,
                         const Transform& transform, const TimelineEvent& event,
                         std::string_view product, const std::vector<std::uint64_t>& found) {
  Ran ran;
  const auto view = event.event();
  const auto entity = view.entity();
  const SealedPlace place{scope.organization, scope.space, product, view.kind(), entity.name};
  const auto document = document_of(event, product, [&](std::string_view json) {
    return hide_sealed(services.sealing, place, json, ran.opened);
  });
  if (!document) return std::unexpected(document.error());
  const auto ids = transform.ids(document->root());
  if (!ids) return std::unexpected(ids.error());
  for (const auto& id : *ids) {
    if (has_sealed(id, ran.opened)) {
      return refused("the pipeline's enrich: an id is a sealed value, which is not looked up");
    }
  }
  const auto rows = Lookups{services, scope, event}.all(transform, *ids, found, ran);
  if (!rows) return std::unexpected(rows.error());
  auto made = transform.make(document->root(), rows->root());
  if (!made) return std::unexpected(std::move(made).error());
  ran.made = std::move(*made);
  const auto& sink = transform.config().sink;
  const auto* operation = sink.operation.empty() ? nullptr : find_sink_operation(sink.operation);
  if (operation != nullptr && operation->body == Body::none) ran.made.data = "{}";
  return ran;
}

Result<std::string> in_clear(const Transform::Made& made, const Opened& opened,
                             std::vector<std::string>& places) {
  const auto shows = [&](const std::string& text) { return has_sealed(text, opened); };
  if (shows(made.kind) || shows(made.entity) || shows(made.type) ||
      std::ranges::any_of(made.path, shows)) {
    return refused("a sealed value is in its kind, entity, type or path; it can be in data only");
  }
  if (!has_sealed(made.data, opened)) return made.data;
  const auto document = schemas::json::parse(made.data);
  if (!document) return refused("what the pipeline made: " + document.error().detail);
  bool mixed = false;
  std::size_t bytes = made.data.size();
  auto clear = schemas::json::rewrite(
      document->root(),
      [&](std::string_view pointer, schemas::json::Value value) -> std::optional<std::string> {
        mixed = mixed || has_sealed(pointer, opened);
        const auto text = value.as_string();
        if (!text) return std::nullopt;
        const auto found = opened.find(*text);
        if (found == opened.end()) {
          mixed = mixed || has_sealed(*text, opened);
          return std::nullopt;
        }
        bytes += found->second.size();
        if (bytes > schemas::cel::Template::bytes_max) return "null";
        places.emplace_back(pointer);
        return found->second;
      });
  if (bytes > schemas::cel::Template::bytes_max && !places.empty()) {
    return refused("what the pipeline made is larger than 1 MiB");
  }
  if (!mixed) return clear;
  return refused(
      "a sealed value became a part of something; it can be passed on whole, and not "
      "looked into");
}

}  // namespace api::resources
