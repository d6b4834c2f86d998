#include "schemas/permissions.h"

#include <algorithm>
#include <array>
#include <optional>

namespace schemas {
namespace {

constexpr std::array<std::string_view, 12> families = {
    "organization", "projects", "members",  "settings",  "secrets", "resources",
    "quotas",       "keys",     "webhooks", "pipelines", "replays", "events"};
constexpr std::array<std::string_view, 2> standing_alone = {"secrets:reveal", "resources:report"};

/// Of a project's members: a role may what stands before its number here.
constexpr std::array<std::string_view, 15> of_members = {
    "projects:read",  "members:read",   "settings:read", "resources:read",  "events:read",
    "secrets:read",   "settings:write", "secrets:write", "resources:write", "members:write",
    "secrets:reveal", "webhooks:*",     "pipelines:*",   "replays:*",       "projects:write"};
constexpr std::size_t of_viewers = 5;
constexpr std::size_t of_simple_members = 9;
constexpr std::size_t of_admins = 14;

constexpr std::string_view products = "products";
constexpr std::string_view product_prefix = "products.";

bool one_of(std::span<const std::string_view> texts, std::string_view text) {
  return std::ranges::find(texts, text) != texts.end();
}

bool is_product_name(std::string_view name) {
  auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  auto other = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 48 && letter(name.front()) &&
         std::ranges::all_of(name, other);
}

bool is_family(std::string_view family) {
  if (family.starts_with(product_prefix))
    return is_product_name(family.substr(product_prefix.size()));
  return family == products || one_of(families, family);
}

struct Parts {
  std::string_view family;
  std::string_view action;
};
std::optional<Parts> split(std::string_view permission) {
  auto colon = permission.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return Parts{permission.substr(0, colon), permission.substr(colon + 1)};
}

/// Whether one granted permission opens everything that `asked` opens.
bool opens(std::string_view granted, std::string_view asked) {
  if (granted == "*" || granted == asked) return true;
  auto have = split(granted);
  auto want = split(asked);
  if (!have || !want || one_of(standing_alone, asked)) return false;
  const bool same_family = have->family == want->family ||
                           (have->family == products && want->family.starts_with(product_prefix));
  return same_family && (have->action == "*" || have->action == want->action);
}

}  // namespace

std::span<const std::string_view> permissions_of(Role role) {
  const std::span all(of_members);
  switch (role) {
    case Role::viewer:
      return all.first(of_viewers);
    case Role::member:
      return all.first(of_simple_members);
    case Role::admin:
      return all.first(of_admins);
    case Role::owner:
      return all;
  }
  return {};
}

bool is_permission(std::string_view permission) {
  if (permission == "*" || one_of(standing_alone, permission)) return true;
  auto parts = split(permission);
  return parts && is_family(parts->family) &&
         (parts->action == "read" || parts->action == "write" || parts->action == "*");
}

bool permits(std::span<const std::string> granted, std::string_view needed) {
  return std::ranges::any_of(granted, [&](const auto& one) { return opens(one, needed); });
}

bool covers(std::span<const std::string> granted, std::string_view asked) {
  if (permits(granted, asked)) return true;
  // A family's wildcard is no more than reading and writing it.
  auto parts = split(asked);
  if (!parts || parts->action != "*") return false;
  auto family = std::string(parts->family);
  return permits(granted, family + ":read") && permits(granted, family + ":write");
}

}  // namespace schemas
