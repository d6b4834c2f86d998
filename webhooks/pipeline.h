#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/ids.h"
#include "schemas/json_reader.h"
#include "schemas/result.h"

/// What a pipeline was asked to be: which events it takes, what it makes of them, where that goes.
namespace webhooks {

enum class Priority : std::uint8_t { low, normal, high };
std::string_view to_text(Priority priority);

/// A row that is looked up as it was at the event, and stands in `rows` under a name.
struct Enrichment {
  std::string as;
  std::string product;
  std::string kind;
  std::string id;  // a text with expressions, schemas/cel/template.h
};

struct PipelineConfig {
  std::string name;
  std::vector<std::string> types;     // exact, or beginnings with `*` behind; at least one
  std::vector<std::string> products;  // only events of these; empty: all
  std::string filter;                 // CEL; empty: none. What it has no answer for is not taken
  std::string condition;              // CEL; empty: none. What it has no answer for is parked
  std::vector<Enrichment> enrich;
  std::string map;  // JSON with expressions; empty: the event's data as they are
  struct Sink {
    // One of these three.
    std::optional<schemas::Uuid> endpoint;
    std::string product;
    std::string operation;  // of a built-in product; the map is its body
    // Of the first two. Texts with expressions; empty: the event's own.
    std::string kind;
    std::string entity;
    std::string type;
    // Of an operation: what stands in its path, such texts by their names there.
    std::vector<std::pair<std::string, std::string>> path = {};
  } sink;
  Priority priority = Priority::normal;
};

inline constexpr std::size_t enrichments_max = 10;
inline constexpr std::size_t path_texts_max = 10;
/// An event that came of so many pipelines, one after the other, goes through no more.
inline constexpr std::uint8_t hops_max = 8;

/// Reads a pipeline's members of a request or of what to_json wrote. What is wrong is noted at the
/// reader, also an expression that does not compile; whether the sink is there is not asked.
PipelineConfig read_pipeline_config(schemas::json::ObjectReader& reader, bool compiles = true);
/// All members, always in the same order.
std::string to_json(const PipelineConfig& config);
/// Of what to_json wrote; nothing is compiled.
schemas::Result<PipelineConfig> parse_pipeline_config(std::string_view json);

}  // namespace webhooks
