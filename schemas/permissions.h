#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Permissions are `<family>:read|write|*`, `*`, and a few that stand alone.
namespace schemas {

/// A well-formed permission of a known family: `projects:read`, `products.git:*`, `secrets:reveal`,
/// `*`.
bool is_permission(std::string_view permission);
/// Whether `granted` holds `needed` (a concrete permission such as `projects:write`).
/// `products:write` also covers `products.<name>:write`.
bool permits(std::span<const std::string> granted, std::string_view needed);
/// Whether everything that `asked` opens is opened by `granted` too; `asked` may be a wildcard.
bool covers(std::span<const std::string> granted, std::string_view asked);

}  // namespace schemas
