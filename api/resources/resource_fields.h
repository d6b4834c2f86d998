#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/resources/parse.h"

/// Members that requests about resources have, read in one way.
namespace api::resources {

enum class AmountRule : std::uint8_t { any, unit_cost };
/// A decimal number in a text, as it was written.
std::string read_amount(ObjectReader& reader, AmountRule rule);
/// Three capital letters.
std::string read_currency(ObjectReader& reader);
std::string read_slug_of(ObjectReader& reader, std::string_view name);
/// JSON text of an object of the caller's own, of 64 KiB at most.
std::optional<std::string> read_free_object(ObjectReader& reader, std::string_view name);
std::optional<std::string> read_detail(ObjectReader& reader, std::string_view name);

}  // namespace api::resources
