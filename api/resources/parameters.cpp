#include "api/resources/parameters.h"

#include <algorithm>
#include <charconv>
#include <ranges>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schemas/ids.h"
#include "schemas/time.h"

namespace api::resources {
namespace {

using schemas::FieldError;

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What is wrong with a value; empty when nothing is.
std::string fault_of(const Field& field, std::string_view value) {
  if (!field.choices.empty() && std::ranges::find(field.choices, value) == field.choices.end()) {
    return fmt::format("must be {}", fmt::join(field.choices, " or "));
  }
  if (!field.id.empty() && !schemas::parse_typeid(field.id, value)) {
    return fmt::format("must be an id that begins with {}_", field.id);
  }
  if (field.type == Type::time && !schemas::parse_time(value)) {
    return "must be an RFC 3339 time such as 2026-11-21T07:00:00.123Z";
  }
  if (field.type != Type::integer) return {};
  auto number = whole_number(value);
  if (number && *number >= field.min && (field.max == Field::no_limit || *number <= field.max)) {
    return {};
  }
  return field.max == Field::no_limit
             ? fmt::format("must be a whole number of at least {}", field.min)
             : fmt::format("must be a whole number from {} to {}", field.min, field.max);
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

Result<void> read_mark(Ask& ask, FieldError::In in, std::string_view name, std::string_view text) {
  auto positions = parse_mark(ask, in, name, text);
  if (!positions) return std::unexpected(std::move(positions).error());
  ask.at_least.insert(ask.at_least.end(), positions->begin(), positions->end());
  return {};
}

}  // namespace

std::string no_index_detail(std::string_view pointer) {
  return fmt::format(
      "there is no index to filter by; declare \"indexes\":[\"{}\"] for the kind in the product's "
      "manifest",
      pointer);
}

Result<void> check_parameters(const Ask& ask) {
  if (ask.operation.scope == Scope::open) return {};
  const auto& query = ask.request.query;
  for (auto parameter = query.begin(); parameter != query.end(); ++parameter) {
    auto field = std::ranges::find(ask.operation.query, parameter->name, &Field::name);
    if (field == ask.operation.query.end()) {
      const bool pointer = parameter->name.starts_with('/');
      if (pointer && ask.operation.pointers) continue;
      return edge::wrong_parameter(parameter->name, pointer ? no_index_detail(parameter->name)
                                                            : "is no parameter of this route");
    }
    auto same = [&](const auto& other) { return other.name == parameter->name; };
    if (field->many == Many::one && std::any_of(query.begin(), parameter, same)) {
      return edge::wrong_parameter(parameter->name, "must be given once");
    }
    auto fault = fault_of(*field, parameter->value);
    if (!fault.empty()) return edge::wrong_parameter(parameter->name, std::move(fault));
  }
  return {};
}

Result<std::vector<schemas::MarkedPosition>> parse_mark(const Ask& ask, FieldError::In in,
                                                        std::string_view name,
                                                        std::string_view text,
                                                        std::string_view expected) {
  if (!text.starts_with("tm1_")) return edge::wrong(in, std::string(name), std::string(expected));
  auto positions = decode_mark(ask.services, ask.caller(), text);
  if (!positions) {
    positions.error().fields.push_back({in, std::string(name), positions.error().detail});
  }
  return positions;
}

Result<void> read_marks(Ask& ask) {
  if (is_write(ask.operation)) return {};
  for (auto header : ask.request.header_values("Tidemark")) {
    for (auto part : header | std::views::split(',')) {
      const auto text = trimmed(std::string_view(part.begin(), part.end()));
      auto read = read_mark(ask, FieldError::In::header, "Tidemark", text);
      if (!read) return read;
    }
  }
  for (const auto& parameter : ask.request.query) {
    if (parameter.name != "at_least") continue;
    auto read = read_mark(ask, FieldError::In::parameter, "at_least", parameter.value);
    if (!read) return read;
  }
  return {};
}

std::size_t number_parameter(const Ask& ask, std::string_view name, std::size_t usual) {
  auto text = ask.request.parameter(name);
  return text ? static_cast<std::size_t>(whole_number(*text).value_or(0)) : usual;
}

}  // namespace api::resources
