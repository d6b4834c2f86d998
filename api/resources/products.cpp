#include "api/resources/products.h"

#include <algorithm>

#include "api/resources/answers.h"
#include "api/resources/declared_lists.h"
#include "api/resources/lists.h"
#include "api/resources/parameters.h"
#include "api/resources/parse.h"
#include "api/resources/pool.h"
#include "api/resources/reading.h"
#include "manager/manifest.h"
#include "projections/trimming.h"
#include "schemas/json_writer.h"
#include "schemas/sealed_text.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Product;
using schemas::Entity;
using schemas::Version;

constexpr std::size_t product_name_max = 48;
constexpr std::array<std::string_view, 3> reserved_names{"log", "keyring", "cluster"};

/// ^[a-z][a-z0-9-]{0,47}$, and not a name that has a meaning of its own.
bool is_product_name(std::string_view name) {
  auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  auto other = [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= product_name_max && lower(name.front()) &&
         std::ranges::all_of(name, other) &&
         std::ranges::find(reserved_names, name) == reserved_names.end() &&
         std::ranges::find(eventstore::built_in_products, name) ==
             std::end(eventstore::built_in_products);
}

void render_product(std::string& out, const FoundRow& found) {
  auto row = projections::decode_row<Product>(found.bytes);
  auto manifest = schemas::json::parse(row.state.manifest);
  ENSURE(manifest.has_value());
  schemas::json::Writer writer(out);
  writer.begin_object()
      .member("name", found.entity.name)
      .member("version", to_number(row.head.version));
  auto write = [&](std::string_view name) {
    if (auto value = manifest->root().find(name)) {
      writer.member(name, *value);
    } else {
      writer.name(name).null();
    }
  };
  write("description");
  write("kinds");
  writer.member("created_at", row.head.created_at)
      .member("updated_at", row.head.updated_at)
      .end_object();
}

}  // namespace

std::unexpected<schemas::Error> missing_entity(const Ask& ask, std::string_view kind) {
  const bool declared = declared_kind(ask, ask.request.captured("product"), kind).has_value();
  return edge::not_found(declared ? "entity of this name" : "kind of this name");
}

Answer answer_row(Ask& ask, DeclaredEntity of) {
  auto reading = co_await open_reading(ask, of.place, View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{{}, std::move(of.name)};
  auto row = reading->find(of.kind, entity);
  if (!row) co_return missing_entity(ask, of.kind);
  if (projections::decode_head(*row, nullptr).trimmed) {
    const auto log = ask.services.topics.log_of(of.place.topic, of.place.organization);
    const projections::KindScope scope{of.place.organization, of.place.space, of.place.topic,
                                       of.kind};
    auto restore = [&] {
      return projections::restore(reading->rows(), ask.services.log, log, scope, entity, *row);
    };
    auto restored = co_await answer_on(ask.services.scans, restore);
    if (!restored) co_await name_earliest_kept(ask, of.place, of.kind, restored.error());
    if (!restored) co_return std::unexpected(std::move(restored).error());
    row = std::move(*restored);
  }
  auto version = projections::decode_head(*row, nullptr).version;
  const FoundRow found{std::move(entity), std::move(*row)};
  auto render = [&]() -> Result<std::string> {
    std::string json;
    auto rendered = render_row(ask, of.place, of.kind, found, json);
    if (!rendered) return std::unexpected(std::move(rendered).error());
    return json;
  };
  // Opening may ask for a key that another process made.
  auto json = schemas::may_hold_sealed(found.bytes)
                  ? co_await answer_on(ask.services.records, render)
                  : render();
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return entity_answer(ask, version, std::move(*json));
}

/// A topic may be there before its first manifest; the manifest makes the product.
std::optional<schemas::TopicId> declared_topic(const Services& services, std::string_view name) {
  return is_product_name(name) ? services.topics.find(name) : std::nullopt;
}

Result<Place> declared_product(const Ask& ask) {
  const auto name = ask.request.captured("product");
  const auto topic = declared_topic(ask.services, name);
  if (!topic) return edge::not_found("product of this name");
  return Place{ask.caller().organization, ask.caller().space, *topic};
}

Result<Place> product_in_path(const Ask& ask) {
  if (ask.caller().restricted()) return edge::not_found("product of this name");
  return declared_product(ask);
}

Result<DeclaredEntity> declared_entity_in_path(const Ask& ask) {
  auto place = product_in_path(ask);
  const auto name = ask.request.captured("entity");
  if (!place) return std::unexpected(std::move(place).error());
  if (!is_entity_name(name)) return edge::not_found("entity of this name");
  return DeclaredEntity{*place, std::string(ask.request.captured("kind")), std::string(name)};
}

// PUT /v2/products/{product}
Answer declare_product(Ask& ask) {
  const std::string name(ask.request.captured("product"));
  if (!is_product_name(name)) {
    co_return schemas::invalid_field(
        "/name", "must match ^[a-z][a-z0-9-]{0,47}$ and be neither reserved nor built in");
  }
  auto manifest = schemas::json::minify(ask.body());
  auto checked = manager::Manifest::parse(manifest, 0);
  if (!checked) co_return std::unexpected(std::move(checked).error());
  auto outcome = co_await write(ask, {schemas::platform_organization, Space::live},
                                manager::DeclareProduct{name, std::move(manifest)});
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  std::string json;
  render_product(json, {outcome->subject, outcome->row});
  const bool first = projections::decode_head(outcome->row, nullptr).version == Version{1};
  if (!first || outcome->unchanged) co_return changed(*outcome, std::move(json));
  co_return created(*outcome, "/v2/products/" + name, std::move(json));
}

// GET /v2/products
Answer list_products(Ask& ask) {
  return list_answer(
      ask, ask.platform(),
      {.kind = Product::kind, .has_id = false, .keep = {}, .render = render_product});
}

// GET /v2/products/{product}
Answer get_product(Ask& ask) {
  auto reading = co_await open_reading(ask, ask.platform(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  Entity entity{{}, std::string(ask.request.captured("product"))};
  auto row = reading->find(Product::kind, entity);
  if (!row) co_return edge::not_found("product of this name");
  auto version = projections::decode_head(*row, nullptr).version;
  const Version asked{number_parameter(ask, "version", to_number(version))};
  if (asked > version) co_return edge::not_found("version of this product");
  if (asked != version)
    row = reading->reader().find_at(reading->place().topic, Product::kind, entity, asked);
  if (!row) co_return edge::not_found("version of this product");
  std::string json;
  render_product(json, {std::move(entity), std::move(*row)});
  co_return entity_answer(ask, asked, std::move(json));
}

// GET /v2/products/{product}/{kind}/{entity}
Answer get_row(Ask& ask) {
  auto entity = declared_entity_in_path(ask);
  if (!entity) co_return std::unexpected(std::move(entity).error());
  co_return co_await answer_row(ask, std::move(*entity));
}

}  // namespace api::resources
