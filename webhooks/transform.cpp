#include "webhooks/transform.h"

#include <fmt/format.h>

#include "schemas/json_writer.h"

namespace webhooks {

using schemas::Result;
using schemas::cel::Memory;
using schemas::cel::Program;
using schemas::cel::Template;
using Json = schemas::json::Value;
using Cel = schemas::cel::Value;

namespace {

/// What one expression may cost, and all of an event's that say what is looked up, or made.
constexpr schemas::cel::Limits limits{.steps = 20'000, .bytes = std::size_t{1} << 20};
constexpr std::size_t steps_max = 200'000;

std::unexpected<schemas::Error> cannot(std::string_view member, std::string_view why) {
  return schemas::fail(schemas::ErrorCode::invalid_request,
                       fmt::format("the pipeline's {}: {}", member, why));
}

Result<std::optional<Program>> program(const std::string& source) {
  if (source.empty()) return std::nullopt;
  auto made = Program::compile(source, event_alone);
  if (!made) return std::unexpected(std::move(made).error());
  return std::optional(std::move(*made));
}

Result<std::optional<Template>> text_template(const std::string& source) {
  if (source.empty()) return std::nullopt;
  auto made = compile_text(source, event_and_rows);
  if (!made) return std::unexpected(std::move(made).error());
  return std::optional(std::move(*made));
}

/// What a text with expressions comes to; it must be one.
Result<std::string> text_of(const Template& source, std::span<const Cel> values, Memory& memory,
                            std::size_t& steps, std::string_view member) {
  auto json = source.evaluate(values, memory, steps);
  if (!json) return cannot(member, json.error().detail);
  const auto document = schemas::json::parse(*json);
  const auto text = document ? document->root().as_string() : std::nullopt;
  if (!text || text->empty()) return cannot(member, "comes to no text, or to an empty one");
  return std::string(*text);
}

}  // namespace

Result<Template> compile_text(std::string_view text, std::span<const std::string_view> variables) {
  const auto document = schemas::json::parse(schemas::json::quote(text));
  if (!document) return std::unexpected(document.error());
  return Template::compile(document->root(), variables);
}

Result<Transform> Transform::compile(const PipelineConfig& config) {
  Transform made;
  made.config_ = config;
  auto filter = program(config.filter);
  auto condition = program(config.condition);
  auto kind = text_template(config.sink.kind);
  auto entity = text_template(config.sink.entity);
  auto type = text_template(config.sink.type);
  if (!filter) return std::unexpected(std::move(filter).error());
  if (!condition) return std::unexpected(std::move(condition).error());
  if (!kind) return std::unexpected(std::move(kind).error());
  if (!entity) return std::unexpected(std::move(entity).error());
  if (!type) return std::unexpected(std::move(type).error());
  made.filter_ = std::move(*filter);
  made.condition_ = std::move(*condition);
  made.kind_ = std::move(*kind);
  made.entity_ = std::move(*entity);
  made.type_ = std::move(*type);
  for (const auto& [name, source] : config.sink.path) {
    auto text = compile_text(source, event_and_rows);
    if (!text) return std::unexpected(std::move(text).error());
    made.path_.push_back(std::move(*text));
  }
  for (const auto& each : config.enrich) {
    auto id = compile_text(each.id, event_alone);
    if (!id) return std::unexpected(std::move(id).error());
    made.ids_.push_back(std::move(*id));
  }
  if (config.map.empty()) return made;
  const auto document = schemas::json::parse(config.map);
  if (!document) return std::unexpected(document.error());
  auto map = Template::compile(document->root(), event_and_rows);
  if (!map) return std::unexpected(std::move(map).error());
  made.map_ = std::move(*map);
  return made;
}

bool Transform::takes(Json event) const {
  Memory memory(limits);
  const Cel values[] = {Cel::of(event)};
  if (filter_ && !filter_->evaluate(values, memory).is_true()) return false;
  if (!condition_) return true;
  const auto answer = condition_->evaluate(values, memory);
  return answer.kind() != schemas::cel::Kind::boolean || answer.as_boolean();
}

Result<std::vector<std::string>> Transform::ids(Json event) const {
  Memory memory(limits);
  const Cel values[] = {Cel::of(event)};
  std::size_t steps = steps_max;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const auto member = fmt::format("enrich, id of '{}'", config_.enrich[i].as);
    auto json = ids_[i].evaluate(values, memory, steps);
    if (!json) return cannot(member, json.error().detail);
    if (*json == "null") {
      ids.emplace_back();
      continue;
    }
    const auto document = schemas::json::parse(*json);
    const auto id = document ? document->root().as_string() : std::nullopt;
    if (!id || id->empty()) return cannot(member, "comes to no text, or to an empty one");
    ids.emplace_back(*id);
  }
  return ids;
}

Result<Transform::Made> Transform::make(Json event, Json rows) const {
  Memory memory(limits);
  std::size_t steps = steps_max;
  const Cel values[] = {Cel::of(event), Cel::of(rows)};
  if (condition_) {
    const auto answer = condition_->evaluate({values, 1}, memory);
    if (answer.is_error()) return cannot("condition", answer.text());
    if (answer.kind() != schemas::cel::Kind::boolean) {
      return cannot("condition",
                    fmt::format("comes to {}, not to true or false", answer.type_name()));
    }
  }
  const auto own = [&](std::string_view name) {
    const auto member = event.find(name);
    return std::string(member ? member->as_string().value_or("") : "");
  };
  const auto text = [&](const std::optional<Template>& source, std::string_view member,
                        std::string_view name) -> Result<std::string> {
    if (!source) return own(name);
    return text_of(*source, values, memory, steps, member);
  };
  auto kind = text(kind_, "sink, kind", "kind");
  if (!kind) return std::unexpected(std::move(kind).error());
  auto entity = text(entity_, "sink, entity", "subject");
  if (!entity) return std::unexpected(std::move(entity).error());
  auto type = text(type_, "sink, type", "type");
  if (!type) return std::unexpected(std::move(type).error());
  Made made{
      .kind = std::move(*kind), .entity = std::move(*entity), .type = std::move(*type), .data = {}};
  for (std::size_t i = 0; i < path_.size(); ++i) {
    const auto member = fmt::format("sink, path, '{}'", config_.sink.path[i].first);
    auto segment = text_of(path_[i], values, memory, steps, member);
    if (!segment) return std::unexpected(std::move(segment).error());
    made.path.push_back(std::move(*segment));
  }
  if (!map_) {
    const auto data = event.find("data");
    made.data = data ? schemas::json::minify(*data) : "{}";
    return made;
  }
  auto data = map_->evaluate(values, memory, steps);
  if (!data) return cannot("map", data.error().detail);
  made.data = std::move(*data);
  return made;
}

}  // namespace webhooks
