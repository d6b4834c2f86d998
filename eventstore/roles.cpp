#include "eventstore/roles.h"

#include <algorithm>
#include <ranges>

namespace eventstore {
namespace {

using Name = std::pair<std::string_view, Role>;
constexpr Name names[] = {{"gateway", Role::gateway},
                          {"manager", Role::manager},
                          {"projector", Role::projector},
                          {"deliverer", Role::deliverer}};

}  // namespace

Roles Roles::of_bits(std::uint8_t bits) {
  Roles roles;
  roles.bits_ = bits & all_bits;
  return roles;
}

std::string to_text(Roles roles) {
  std::string text;
  for (const auto& [name, role] : names) {
    if (!roles.has(role)) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

std::optional<Roles> parse_roles(std::string_view text) {
  std::uint8_t bits = 0;
  for (const auto part : std::views::split(text, ',')) {
    const std::string_view name(part.begin(), part.end());
    const auto* const known = std::ranges::find(names, name, &Name::first);
    if (known == std::end(names)) return std::nullopt;
    bits |= static_cast<std::uint8_t>(known->second);
  }
  if (bits == 0) return std::nullopt;
  return Roles::of_bits(bits);
}

}  // namespace eventstore
