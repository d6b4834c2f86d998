#include "api/resources/resource_fields.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/resources/resource_reports.h"
#include "manager/decide.h"
#include "projections/resource_states.h"
#include "schemas/decimal.h"

namespace api::resources {

std::string read_amount(ObjectReader& reader, AmountRule rule) {
  auto text = reader.text("amount", {.characters_max = 26});
  if (text.empty()) return text;
  const auto amount = schemas::Decimal::parse(text);
  if (!amount) {
    reader.wrong("amount", amount.error());
  } else if (rule == AmountRule::unit_cost &&
             (amount->billionths() < 0 ||
              amount->billionths() > projections::unit_cost_max.billionths())) {
    reader.wrong("amount", "must be from 0 to " + projections::unit_cost_max.text());
  }
  return text;
}

std::string read_currency(ObjectReader& reader) {
  auto currency = reader.text("currency", {.characters_max = 3});
  const bool letters = std::ranges::all_of(currency, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!currency.empty() && (currency.size() != 3 || !letters)) {
    reader.wrong("currency", "must be a currency of ISO 4217, such as EUR");
  }
  return currency;
}

std::string read_slug_of(ObjectReader& reader, std::string_view name) {
  auto slug = reader.text(name, {.characters_max = slug_max});
  if (!slug.empty() && !is_slug(slug)) {
    reader.wrong(name, "must match " + std::string(slug_pattern));
  }
  return slug;
}

std::optional<std::string> read_free_object(ObjectReader& reader, std::string_view name) {
  const auto value = reader.optional_value(name);
  if (!value || value->is_null()) return std::nullopt;
  if (!value->is_object()) {
    reader.wrong(name, "must be an object");
    return std::nullopt;
  }
  auto text = schemas::json::minify(*value);
  if (text.size() > manager::spec_bytes_max) {
    reader.wrong(
        name, fmt::format("may have {} bytes, and has {}", manager::spec_bytes_max, text.size()));
  }
  return text;
}

std::optional<std::string> read_detail(ObjectReader& reader, std::string_view name) {
  return reader.optional_text(name,
                              {.characters_min = 0,
                               .characters_max = detail_max,
                               .control_characters = schemas::json::ControlCharacters::allow});
}

}  // namespace api::resources
