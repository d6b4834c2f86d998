#include "webhooks/replay.h"

#include "schemas/json_writer.h"
#include "webhooks/endpoint.h"

namespace webhooks {

using schemas::json::ObjectReader;

ReplayConfig read_replay_config(ObjectReader& reader) {
  ReplayConfig config;
  config.types = read_types(reader);
  config.products = read_products(reader);
  config.filter = read_filter(reader);
  config.rate_per_second = reader.optional_integer("rate_per_second", {.min = 1, .max = rate_max});
  read_which_failed(reader, config);
  return config;
}

std::vector<std::string> read_products(ObjectReader& reader) {
  auto products = reader.optional_texts("products", replayed_products_max, {.characters_max = 100});
  refuse_empty_list(reader, "products");
  return std::move(products).value_or(std::vector<std::string>());
}

void read_which_failed(ObjectReader& reader, ReplayConfig& config) {
  config.only_failed = reader.optional_choice<bool>("only", {{"failed", true}}).value_or(false);
  const auto of = reader.optional_text("of", {.characters_max = 100});
  if (!of) return;
  const auto id = schemas::parse_id<schemas::ReplayTag>(*of);
  if (!id) reader.wrong("of", "must be the id of a replay, rpl_…");
  if (!config.only_failed) reader.wrong("of", "goes with only: failed");
  if (id) config.of = id->uuid();
}

std::string to_json(const ReplayConfig& config) {
  std::string json;
  schemas::json::Writer writer(json);
  const auto texts = [&](std::string_view name, const std::vector<std::string>& values) {
    writer.name(name).begin_array();
    for (const auto& value : values) writer.value(value);
    writer.end_array();
  };
  std::optional<std::string> of;
  if (config.of) of = to_text(schemas::ReplayId(*config.of));
  const auto unless_empty = [](std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  writer.begin_object();
  texts("types", config.types);
  config.products.empty() ? void(writer.name("products").null())
                          : texts("products", config.products);
  writer.member("filter", unless_empty(config.filter))
      .member("endpoint_filter", unless_empty(config.endpoint_filter))
      .member("only", unless_empty(config.only_failed ? "failed" : ""))
      .member("of", of)
      .member("rate_per_second", config.rate_per_second)
      .member("product", unless_empty(config.product))
      .name("definition_version");
  config.definition ? writer.value(to_number(*config.definition)) : writer.null();
  writer.end_object();
  return json;
}

schemas::Result<ReplayConfig> parse_replay_config(std::string_view json) {
  auto document = schemas::json::parse(json);
  if (!document) return std::unexpected(std::move(document).error());
  ObjectReader reader(document->root());
  auto config = read_replay_config(reader);
  config.endpoint_filter = reader.optional_text("endpoint_filter").value_or("");
  config.product = reader.optional_text("product").value_or("");
  if (const auto version = reader.optional_integer("definition_version", {.min = 1})) {
    config.definition = schemas::Version{static_cast<std::uint64_t>(*version)};
  }
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return config;
}

/// A comment in the one ends with its line.
schemas::Result<std::shared_ptr<const schemas::cel::Filter>> filter_of(const ReplayConfig& config) {
  const auto& own = config.endpoint_filter;
  auto text = own.empty() ? config.filter : own;
  if (!own.empty() && !config.filter.empty()) {
    text = "(" + own + "\n) && (" + config.filter + "\n)";
  }
  if (text.empty()) return nullptr;
  auto compiled = schemas::cel::Filter::compile(text);
  if (!compiled) return std::unexpected(std::move(compiled).error());
  return std::make_shared<const schemas::cel::Filter>(std::move(*compiled));
}

}  // namespace webhooks
