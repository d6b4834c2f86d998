#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/cel/filter.h"
#include "schemas/ids.h"
#include "schemas/json_reader.h"
#include "schemas/result.h"

/// What a replay was asked to be: which events of its range, and how fast.
namespace webhooks {

struct ReplayConfig {
  std::vector<std::string> types;     // exact, or beginnings with `*` behind; at least one
  std::vector<std::string> products;  // only events of these; empty: all
  std::string filter;                 // CEL; empty: none
  std::string endpoint_filter;        // the endpoint's own, where it counts too
  bool only_failed = false;           // whose delivery is exhausted, the endpoint's own or:
  std::optional<schemas::Uuid> of;    // that of this replay
  std::optional<std::int64_t> rate_per_second;
  std::string product;  // it goes to this one; empty: to an endpoint, or through a pipeline:
  std::optional<schemas::Version> definition =
      {};  // as this version; empty: as it was where each stands
};

/// A replay to a product names all that it takes; there are fewer (60 with those built in).
inline constexpr std::size_t replayed_products_max = 200;

/// Reads a replay's members of a request, or of what to_json wrote: all but `endpoint_filter`,
/// `product` and `definition_version`. What is wrong is noted at the reader.
ReplayConfig read_replay_config(schemas::json::ObjectReader& reader);
/// `products` of replays and pipelines; empty: all.
std::vector<std::string> read_products(schemas::json::ObjectReader& reader);
/// Of a replay's, `only` and `of`.
void read_which_failed(schemas::json::ObjectReader& reader, ReplayConfig& config);
/// All members, always in the same order.
std::string to_json(const ReplayConfig& config);
/// Of what to_json wrote.
schemas::Result<ReplayConfig> parse_replay_config(std::string_view json);

/// The condition that all of it comes to; null: there is none.
schemas::Result<std::shared_ptr<const schemas::cel::Filter>> filter_of(const ReplayConfig& config);

}  // namespace webhooks
