#include "api/resources/pipeline_run.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "api/resources/event_json.h"
#include "api/resources/projects.h"
#include "api/resources/resources.h"
#include "api/resources/sealed_fields.h"
#include "schemas/json_writer.h"
#include "schemas/sealed_text.h"
#include "schemas/type_pattern.h"

namespace api::resources {

using projections::Pipeline;
using projections::TimelineEvent;
using schemas::ErrorCode;
using schemas::Result;
using webhooks::Transform;

namespace {

bool is_passed(const Passed& passed, const TimelineEvent& event) {
  const auto* last = passed.find(event.log.topic);
  if (last == nullptr) return false;
  const auto offset = static_cast<std::int64_t>(event.offset);
  return offset < last->offset || (offset == last->offset && event.index <= last->index);
}

TopicId topic_of(const Services& services, std::string_view product) {
  return *services.topics.find(product);
}

}  // namespace

PipelineVersions::PipelineVersions(const Services& services, const projections::RowReader& rows,
                                   const webhooks::Scope& scope, const schemas::Uuid& pipeline) {
  using projections::DeliveryCursor;
  const projections::Reader reader(rows, scope.organization, scope.space);
  const auto deliveries = topic_of(services, eventstore::deliveries_product);
  const auto entity = projections::Channel{{}, {}, pipeline}.cursor();
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
    if (!is_passed(begun->second, event)) return begun->first;
  }
  if (begun_.empty()) return std::nullopt;
  return begun_.front().first;
}

bool operator<(const TransformCache::Key& left, const TransformCache::Key& right) {
  const auto tied = [](const TransformCache::Key& key) {
    return std::tuple(key.scope.organization.uuid(), key.scope.space, key.pipeline, key.version);
  };
  return tied(left) < tied(right);
}

std::shared_ptr<const Transform> TransformCache::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(key);
  return found == kept_.end() ? nullptr : found->second;
}

void TransformCache::keep(const Key& key, std::shared_ptr<const Transform> transform) {
  const std::lock_guard lock(mutex_);
  if (kept_.size() >= kept_max) kept_.clear();
  kept_.emplace(key, std::move(transform));
}

std::shared_ptr<const Transform> transform_of(const Services& services,
                                              const webhooks::Scope& scope,
                                              const schemas::Uuid& pipeline,
                                              schemas::Version version) {
  const TransformCache::Key key{scope, pipeline, version};
  if (auto known = services.transforms.find(key)) return known;
  const projections::Reader reader(services.rows, scope.organization, scope.space);
  const auto row = reader.find_at(topic_of(services, eventstore::webhooks_product), Pipeline::kind,
                                  {pipeline, {}}, version);
  if (!row) return nullptr;
  const auto config =
      webhooks::parse_pipeline_config(projections::decode_row<Pipeline>(*row).state.config);
  if (!config) return nullptr;
  auto compiled = Transform::compile(*config);
  if (!compiled) return nullptr;
  auto transform = std::make_shared<const Transform>(std::move(*compiled));
  services.transforms.keep(key, transform);
  return transform;
}

Result<void> open_all(eventstore::Sealing& sealing, const SealedPlace& place, std::string_view json,
                      Opened& opened) {
  if (!schemas::may_hold_sealed(json)) return {};
  auto text = open_sealed(sealing, place, json);
  if (!text) return std::unexpected(std::move(text).error());
  const auto sealed = schemas::json::parse(json);
  const auto clear = schemas::json::parse(*text);
  ENSURE(sealed.has_value() && clear.has_value());
  schemas::json::rewrite(
      sealed->root(),
      [&](std::string_view pointer, schemas::json::Value value) -> std::optional<std::string> {
        if (!value.is_string() || !schemas::parse_sealed_text(*value.as_string())) {
          return std::nullopt;
        }
        if (const auto there = schemas::json::resolve(clear->root(), pointer)) {
          opened.emplace(*value.as_string(), schemas::json::minify(*there));
        }
        return std::nullopt;
      });
  return {};
}

std::string event_of(const TimelineEvent& event, std::string_view product) {
  std::string text;
  const auto shown = append_event(text, event.batch, event.index, product, {}, nullptr);
  ENSURE(shown.has_value());
  return text;
}

namespace {

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
  std::optional<std::string> row(TopicId topic, const webhooks::Enrichment& enrichment,
                                 const schemas::Entity& entity, const std::uint64_t* before) const {
    if (before != nullptr) {
      if (*before == 0) return std::nullopt;
      return reader.find_at(topic, enrichment.kind, entity, schemas::Version{*before});
    }
    // Of what was accepted in the same millisecond the topic says what stands before.
    const auto until = event.batch.recorded() - std::chrono::milliseconds(topic > event.log.topic);
    const auto offset = topic == event.log.topic ? static_cast<std::int64_t>(event.offset)
                                                 : reader.offset_at(topic, until);
    if (offset < 0) return std::nullopt;
    return reader.find_as_of(topic, enrichment.kind, entity, offset);
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
    auto read = open_all(
        services.sealing,
        {scope.organization, scope.space, enrichment.product, enrichment.kind, entity.name},
        declared.state.json, opened);
    if (!read) return std::unexpected(std::move(read).error());
    json += declared.state.json;
    return to_number(declared.head.version);
  }

  /// JSON: an object with a member for each.
  Result<std::string> all(const Transform& transform, const std::vector<std::string>& ids,
                          const std::vector<std::uint64_t>& before, Ran& ran) const {
    std::string json = "{";
    const auto& enrich = transform.config().enrich;
    for (std::size_t i = 0; i < enrich.size(); ++i) {
      if (i > 0) json += ',';
      schemas::json::append_string(json, enrich[i].as);
      json += ':';
      const auto topic = services.topics.find(enrich[i].product);
      const auto entity = entity_of(enrich[i], ids[i]);
      std::optional<std::string> row;
      if (topic && entity && !ids[i].empty()) {
        row = this->row(*topic, enrich[i], *entity,
                        before.size() == enrich.size() ? &before[i] : nullptr);
      }
      if (!row) {
        json += "null";
        ran.found.push_back(0);
        continue;
      }
      auto version = append(json, enrich[i], *entity, *row, ran.opened);
      if (!version) return std::unexpected(std::move(version).error());
      ran.found.push_back(*version);
    }
    return json + '}';
  }
};

}  // namespace

Result<Ran> run_pipeline(const Services& services, const webhooks::Scope& scope,
                         const Transform& transform, const TimelineEvent& event,
                         std::string_view product, const std::vector<std::uint64_t>& found) {
  Ran ran;
  const auto text = event_of(event, product);
  const auto document = schemas::json::parse(text);
  ENSURE(document.has_value());
  const auto ids = transform.ids(document->root());
  if (!ids) return std::unexpected(ids.error());
  auto rows = Lookups{services, scope, event}.all(transform, *ids, found, ran);
  if (!rows) return std::unexpected(std::move(rows).error());
  const auto view = event.event();
  const auto data = view.data();
  if (const auto* json = std::get_if<schemas::Json>(&data)) {
    const auto entity = view.entity();
    auto opened = open_all(services.sealing,
                           {scope.organization, scope.space, product, view.kind(), entity.name},
                           json->text, ran.opened);
    if (!opened) return std::unexpected(std::move(opened).error());
  }
  const auto parsed = schemas::json::parse(*rows);
  ENSURE(parsed.has_value());
  auto made = transform.make(document->root(), parsed->root());
  if (!made) return std::unexpected(std::move(made).error());
  ran.made = std::move(*made);
  return ran;
}

Result<std::string> in_clear(const std::string& data, const Opened& opened,
                             std::vector<std::string>& places) {
  if (opened.empty()) return data;
  const auto document = schemas::json::parse(data);
  if (!document) return std::unexpected(document.error());
  std::optional<std::string> mixed;
  auto clear = schemas::json::rewrite(
      document->root(),
      [&](std::string_view pointer, schemas::json::Value value) -> std::optional<std::string> {
        const auto text = value.as_string();
        if (!text) return std::nullopt;
        const auto found = opened.find(*text);
        if (found != opened.end()) {
          places.emplace_back(pointer);
          return found->second;
        }
        const auto is_part = [&](const auto& one) { return text->contains(one.first); };
        if (std::ranges::any_of(opened, is_part)) mixed = pointer;
        return std::nullopt;
      });
  if (!mixed) return clear;
  return schemas::fail(ErrorCode::invalid_request,
                       fmt::format("'{}' has a sealed value as a part; one can be passed on whole, "
                                   "and not looked into",
                                   *mixed));
}

bool is_of_source(const webhooks::PipelineConfig& config, std::string_view type,
                  std::string_view product) {
  const auto matches = [&](const std::string& pattern) {
    return schemas::type_fits(pattern, type);
  };
  return std::ranges::any_of(config.types, matches) &&
         (config.products.empty() ||
          std::ranges::find(config.products, product) != config.products.end());
}

}  // namespace api::resources
