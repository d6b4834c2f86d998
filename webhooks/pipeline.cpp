#include "webhooks/pipeline.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "schemas/json_writer.h"
#include "webhooks/endpoint.h"
#include "webhooks/replay.h"
#include "webhooks/transform.h"

namespace webhooks {

using schemas::json::ObjectReader;
using schemas::json::Writer;

namespace {

constexpr std::size_t expression_bytes_max = 8'192;
constexpr std::size_t map_bytes_max = std::size_t{64} << 10;
constexpr schemas::json::TextRule expression_rule{.characters_max = expression_bytes_max,
                                                  .bytes_max = expression_bytes_max};

/// A name that expressions can say.
bool is_identifier(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto more = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  constexpr std::array reserved{"true", "false", "null", "in"};  // CEL's; others can be members
  return !text.empty() && letter(text.front()) && std::ranges::all_of(text, more) &&
         std::ranges::find(reserved, text) == reserved.end();
}

void read_source(ObjectReader& reader, PipelineConfig& config, bool compiles) {
  config.types = read_types(reader);
  config.products = read_products(reader);
  config.filter =
      compiles ? read_filter(reader) : reader.optional_text("filter", expression_rule).value_or("");
}

/// A text with expressions, over these variables.
std::string read_text_template(ObjectReader& reader, std::string_view name,
                               std::span<const std::string_view> variables, bool compiles,
                               bool needed = false) {
  auto text = needed ? std::optional(reader.text(name, expression_rule))
                     : reader.optional_text(name, expression_rule);
  if (!text) return {};
  if (!compiles) return std::move(*text);
  auto compiled = compile_text(*text, variables);
  if (!compiled) reader.wrong(name, compiled.error().detail);
  return std::move(*text);
}

void read_enrichment(ObjectReader& reader, std::vector<Enrichment>& enrich, bool compiles) {
  Enrichment one{.as = reader.text("as", {.characters_max = 50}),
                 .product = reader.text("product", {.characters_max = 100}),
                 .kind = reader.text("kind", {.characters_max = 100}),
                 .id = read_text_template(reader, "id", event_alone, compiles, true)};
  const auto same = [&](const Enrichment& other) { return other.as == one.as; };
  if (!one.as.empty() && !is_identifier(one.as)) {
    reader.wrong("as", "must be a name as expressions have: letters, digits and _");
  } else if (std::ranges::any_of(enrich, same)) {
    reader.wrong("as", "is the name of another one");
  }
  enrich.push_back(std::move(one));
}

/// Which names it has is the operation's to say.
void read_path(ObjectReader& reader, PipelineConfig::Sink& sink, bool compiles) {
  const auto path = reader.optional_value("path");
  if (!path || path->is_null()) return;
  if (!path->is_object()) return reader.wrong("path", "must be an object");
  if (sink.operation.empty()) reader.wrong("path", "goes with an operation");
  if (path->size() > path_texts_max) return reader.wrong("path", "has too many members");
  for (const auto& [name, value] : path->members()) {
    const auto text = value.as_string();
    if (!text || text->empty() || text->size() > expression_bytes_max) {
      reader.wrong("path",
                   fmt::format("'{}' must be a text of 1 to {} bytes", name, expression_bytes_max));
      sink.path.emplace_back(name, "");
      continue;
    }
    const auto compiled =
        compiles ? compile_text(*text, event_and_rows) : schemas::Result<schemas::cel::Template>();
    if (compiles && !compiled) {
      reader.wrong("path", fmt::format("'{}': {}", name, compiled.error().detail));
    }
    sink.path.emplace_back(name, *text);
  }
}

void read_sink(ObjectReader& reader, PipelineConfig::Sink& sink, bool compiles) {
  const auto endpoint = reader.optional_text("endpoint_id", {.characters_max = 100});
  sink.product = reader.optional_text("product", {.characters_max = 100}).value_or("");
  sink.operation = reader.optional_text("operation", {.characters_max = 100}).value_or("");
  if (endpoint) {
    const auto id = schemas::parse_id<schemas::EndpointTag>(*endpoint);
    if (!id) reader.wrong("endpoint_id", "must be the id of an endpoint, we_…");
    if (id) sink.endpoint = id->uuid();
    if (!sink.product.empty()) reader.wrong("product", "goes without endpoint_id");
  } else if (sink.product.empty() && sink.operation.empty()) {
    reader.wrong("product", "is missing; name a declared product, an operation or an endpoint_id");
  }
  if (!sink.operation.empty()) {
    for (const auto* name : {"endpoint_id", "product", "kind", "entity", "type"}) {
      const auto other = reader.optional_value(name);
      if (other && !other->is_null()) reader.wrong(name, "goes without an operation");
    }
  }
  read_path(reader, sink, compiles);
  sink.kind = read_text_template(reader, "kind", event_and_rows, compiles);
  sink.entity = read_text_template(reader, "entity", event_and_rows, compiles);
  sink.type = read_text_template(reader, "type", event_and_rows, compiles);
}

void read_map(ObjectReader& reader, PipelineConfig& config, bool compiles) {
  const auto map = reader.optional_value("map");
  if (!map || map->is_null()) return;
  config.map = schemas::json::minify(*map);
  if (!map->is_object()) return reader.wrong("map", "must be an object");
  if (config.map.size() > map_bytes_max) return reader.wrong("map", "must have at most 64 KiB");
  if (!compiles) return;
  auto compiled = schemas::cel::Template::compile(*map, event_and_rows);
  if (!compiled) reader.wrong("map", compiled.error().detail);
}

std::optional<std::string_view> unless_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

void write_texts(Writer& writer, std::string_view name, const std::vector<std::string>& texts) {
  writer.name(name).begin_array();
  for (const auto& text : texts) writer.value(text);
  writer.end_array();
}

}  // namespace

std::string_view to_text(Priority priority) {
  switch (priority) {
    case Priority::low:
      return "low";
    case Priority::normal:
      return "normal";
    case Priority::high:
      return "high";
  }
  return "";
}

PipelineConfig read_pipeline_config(ObjectReader& reader, bool compiles) {
  PipelineConfig config;
  config.name = reader.text("name", {.characters_max = 100});
  config.types = {"*"};
  reader.optional_object("source",
                         [&](ObjectReader& source) { read_source(source, config, compiles); });
  config.condition = reader.optional_text("condition", expression_rule).value_or("");
  if (compiles && !config.condition.empty()) {
    auto compiled = schemas::cel::Program::compile(config.condition, event_alone);
    if (!compiled) reader.wrong("condition", compiled.error().detail);
  }
  const auto enrich = reader.optional_value("enrich");
  const bool has_none = enrich && enrich->is_array() && enrich->size() == 0;
  if (!has_none) {
    reader.optional_objects("enrich", enrichments_max, [&](ObjectReader& one) {
      read_enrichment(one, config.enrich, compiles);
    });
  }
  read_map(reader, config, compiles);
  reader.object("sink", [&](ObjectReader& sink) { read_sink(sink, config.sink, compiles); });
  config.priority = reader
                        .optional_choice<Priority>("priority", {{"normal", Priority::normal},
                                                                {"high", Priority::high},
                                                                {"low", Priority::low}})
                        .value_or(Priority::normal);
  return config;
}

std::string to_json(const PipelineConfig& config) {
  std::string json;
  Writer writer(json);
  writer.begin_object().member("name", config.name).name("source").begin_object();
  write_texts(writer, "types", config.types);
  config.products.empty() ? void(writer.name("products").null())
                          : write_texts(writer, "products", config.products);
  writer.member("filter", unless_empty(config.filter))
      .end_object()
      .member("condition", unless_empty(config.condition))
      .name("enrich");
  if (config.enrich.empty()) {
    writer.null();
  } else {
    writer.begin_array();
    for (const auto& [as, product, kind, id] : config.enrich) {
      writer.begin_object()
          .member("as", as)
          .member("product", product)
          .member("kind", kind)
          .member("id", id)
          .end_object();
    }
    writer.end_array();
  }
  writer.name("map").raw(config.map.empty() ? "null" : config.map);
  std::optional<std::string> endpoint;
  if (config.sink.endpoint) endpoint = to_text(schemas::EndpointId(*config.sink.endpoint));
  writer.name("sink")
      .begin_object()
      .member("endpoint_id", endpoint)
      .member("product", unless_empty(config.sink.product))
      .member("operation", unless_empty(config.sink.operation))
      .member("kind", unless_empty(config.sink.kind))
      .member("entity", unless_empty(config.sink.entity))
      .member("type", unless_empty(config.sink.type))
      .name("path");
  if (config.sink.path.empty()) {
    writer.null();
  } else {
    writer.begin_object();
    for (const auto& [name, text] : config.sink.path) writer.member(name, text);
    writer.end_object();
  }
  writer.end_object().member("priority", to_text(config.priority)).end_object();
  return json;
}

schemas::Result<PipelineConfig> parse_pipeline_config(std::string_view json) {
  auto document = schemas::json::parse(json);
  if (!document) return std::unexpected(std::move(document).error());
  ObjectReader reader(document->root());
  auto config = read_pipeline_config(reader, false);
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return config;
}

}  // namespace webhooks
