#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/events.h"

/// Permissions are `<family>:read|write|*`, `*`, and two that stand alone: no family's wildcard
/// opens `secrets:reveal` and `resources:report`, only they themselves and `*` do. Writing does not
/// include reading. Pure; any thread.
namespace schemas {

/// A well-formed permission of a known family: `projects:read`, `products.git:*`, `secrets:reveal`,
/// `*`.
bool is_permission(std::string_view permission);
/// What a project's members of this role may do there; a higher role all that a lower one may.
std::span<const std::string_view> permissions_of(Role role);
/// Whether `granted` holds `needed` (a concrete permission such as `projects:write`).
/// `products:write` also opens `products.<name>:write`.
bool permits(std::span<const std::string> granted, std::string_view needed);
/// Whether everything that `asked` opens is opened by `granted` too; `asked` may be a wildcard.
bool covers(std::span<const std::string> granted, std::string_view asked);

}  // namespace schemas
