#include "webhooks/endpoint.h"

#include <algorithm>

#include "schemas/cel/filter.h"
#include "schemas/json_writer.h"
#include "schemas/type_pattern.h"

namespace webhooks {
namespace {

using schemas::json::ObjectReader;

constexpr std::size_t url_bytes_max = 2'048;
constexpr std::size_t filter_bytes_max = 8'192;
constexpr std::size_t type_characters_max = 101;
constexpr std::size_t description_characters_max = 500;

std::optional<schemas::Uuid> read_policy(ObjectReader& reader) {
  const auto text = reader.optional_text("retry_policy_id", {.characters_max = 100});
  if (!text) return std::nullopt;
  const auto id = schemas::parse_id<schemas::RetryPolicyTag>(*text);
  if (!id) reader.wrong("retry_policy_id", "must be the id of a retry policy, rp_…");
  return id ? std::optional(id->uuid()) : std::nullopt;
}

void read_push_members(ObjectReader& reader, EndpointConfig& config) {
  config.url = reader.text("url", {.characters_max = url_bytes_max, .bytes_max = url_bytes_max});
  config.signature =
      reader
          .optional_choice<SignatureScheme>(
              "signature", {{"hmac", SignatureScheme::hmac}, {"ed25519", SignatureScheme::ed25519}})
          .value_or(SignatureScheme::hmac);
  config.rate_per_second = reader.optional_integer("rate_per_second", {.min = 1, .max = rate_max});
  config.max_in_flight =
      reader.optional_integer("max_in_flight", {.min = 1, .max = in_flight_max}).value_or(8);
  const auto pause_after =
      reader.optional_integer("pause_after_seconds", {.min = 1, .max = pause_after_max_seconds});
  if (pause_after) config.pause_after = std::chrono::seconds(*pause_after);
}

void refuse_push_members(ObjectReader& reader) {
  for (const auto name :
       {"url", "signature", "rate_per_second", "max_in_flight", "pause_after_seconds"}) {
    const auto member = reader.optional_value(name);
    if (member && !member->is_null()) reader.wrong(name, std::string(not_pulled));
  }
}

std::uint64_t fnv1a(std::uint64_t hash, std::string_view bytes) {
  constexpr std::uint64_t prime = 0x100000001b3;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= prime;
  }
  return hash;
}

}  // namespace

void refuse_empty_list(ObjectReader& reader, std::string_view name) {
  const auto value = reader.optional_value(name);
  if (!value || !value->is_array() || value->size() > 0) return;
  reader.wrong(name, "must have at least one; leave it out for all");
}

std::vector<std::string> read_types(ObjectReader& reader) {
  auto types = reader.optional_texts("types", types_max, {.characters_max = type_characters_max});
  if (!types) return {"*"};
  refuse_empty_list(reader, "types");
  if (!std::ranges::all_of(*types, schemas::is_type_pattern)) {
    reader.wrong("types", "each " + std::string(schemas::type_pattern_form));
  }
  return std::move(*types);
}

std::string read_filter(ObjectReader& reader) {
  auto filter = reader.optional_text(
      "filter", {.characters_max = filter_bytes_max, .bytes_max = filter_bytes_max});
  if (!filter) return {};
  auto compiled = schemas::cel::Filter::compile(*filter);
  if (!compiled) reader.wrong("filter", compiled.error().detail);
  return std::move(*filter);
}

EndpointConfig read_endpoint_config(ObjectReader& reader) {
  EndpointConfig config;
  config.kind = reader
                    .optional_choice<EndpointKind>(
                        "kind", {{"push", EndpointKind::push}, {"pull", EndpointKind::pull}})
                    .value_or(EndpointKind::push);
  if (config.kind == EndpointKind::pull) {
    refuse_push_members(reader);
  } else {
    read_push_members(reader, config);
  }
  config.types = read_types(reader);
  config.filter = read_filter(reader);
  config.order =
      reader
          .optional_choice<DeliveryOrder>("order", {{"entity", DeliveryOrder::entity},
                                                    {"none", DeliveryOrder::none},
                                                    {"endpoint", DeliveryOrder::endpoint}})
          .value_or(DeliveryOrder::entity);
  config.format =
      reader
          .optional_choice<DeliveryFormat>("format", {{"structured", DeliveryFormat::structured},
                                                      {"data", DeliveryFormat::data}})
          .value_or(DeliveryFormat::structured);
  config.retry_policy = read_policy(reader);
  config.description =
      reader
          .optional_text("description",
                         {.characters_min = 0, .characters_max = description_characters_max})
          .value_or("");
  return config;
}

std::string to_json(const EndpointConfig& config) {
  std::string json;
  schemas::json::Writer writer(json);
  const bool pushed = config.kind == EndpointKind::push;
  const auto of_push = [&](auto value) {
    return pushed ? std::optional(std::move(value)) : std::nullopt;
  };
  writer.begin_object();
  if (!pushed) writer.member("kind", to_text(config.kind));
  writer.member("url", of_push(config.url)).name("types").begin_array();
  for (const auto& type : config.types) writer.value(type);
  writer.end_array();
  writer.name("filter");
  config.filter.empty() ? writer.null() : writer.value(config.filter);
  writer.member("order", to_text(config.order))
      .member("format", to_text(config.format))
      .member("signature", of_push(to_text(config.signature)))
      .name("retry_policy_id");
  config.retry_policy ? writer.value(to_text(schemas::RetryPolicyId(*config.retry_policy)))
                      : writer.null();
  writer.member("rate_per_second", config.rate_per_second)
      .member("max_in_flight", of_push(config.max_in_flight))
      .member("pause_after_seconds", of_push(std::int64_t{config.pause_after.count()}))
      .member("description", config.description)
      .end_object();
  return json;
}

schemas::Result<EndpointConfig> parse_endpoint_config(std::string_view json) {
  auto document = schemas::json::parse(json);
  if (!document) return std::unexpected(std::move(document).error());
  ObjectReader reader(document->root());
  auto config = read_endpoint_config(reader);
  if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
  return config;
}

RetryPolicy retry_policy_of(const projections::Reader& reader, schemas::TopicId webhooks,
                            const EndpointConfig& config) {
  if (!config.retry_policy) return default_retry_policy();
  const auto row = reader.get<projections::RetryPolicyState>(webhooks, {*config.retry_policy, {}});
  if (!row) return default_retry_policy();
  const auto document = schemas::json::parse(row->state.config);
  auto policy = document ? parse_retry_policy(document->root())
                         : schemas::Result<RetryPolicy>(std::unexpected(document.error()));
  if (!policy) return default_retry_policy();
  return std::move(*policy);
}

std::string_view to_text(EndpointKind kind) {
  return kind == EndpointKind::pull ? "pull" : "push";
}
std::string_view to_text(DeliveryOrder order) {
  switch (order) {
    case DeliveryOrder::entity:
      return "entity";
    case DeliveryOrder::none:
      return "none";
    case DeliveryOrder::endpoint:
      return "endpoint";
  }
  return "";
}
std::string_view to_text(DeliveryFormat format) {
  return format == DeliveryFormat::data ? "data" : "structured";
}
std::string_view to_text(SignatureScheme scheme) {
  return scheme == SignatureScheme::ed25519 ? "ed25519" : "hmac";
}

std::uint64_t lane_of(DeliveryOrder order, const schemas::Uuid& event, schemas::TopicId topic,
                      std::string_view kind, const schemas::Entity& entity) {
  constexpr std::uint64_t offset_basis = 0xcbf29ce484222325;
  switch (order) {
    case DeliveryOrder::none:
      return fnv1a(offset_basis, event.view());
    case DeliveryOrder::endpoint:
      return 0;
    case DeliveryOrder::entity:
      break;
  }
  const auto number = static_cast<std::uint16_t>(topic);
  const char bytes[] = {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  auto hash = fnv1a(offset_basis, {bytes, sizeof bytes});
  hash = fnv1a(hash, kind);
  hash = fnv1a(hash, std::string_view("\0", 1));
  hash = fnv1a(hash, entity.id.view());
  return fnv1a(hash, entity.name);
}

}  // namespace webhooks
