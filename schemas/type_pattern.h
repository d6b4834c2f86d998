#pragma once

#include <string_view>

/// Patterns of event types: `project.created`, or a beginning with `*` behind it, such as
/// `project.*` and `*`.
namespace schemas {

inline constexpr std::string_view type_pattern_form =
    "must be an event type, or its beginning with * behind it";

bool is_type_pattern(std::string_view text);

/// Whether the pattern is for this type.
bool type_fits(std::string_view pattern, std::string_view type);

}  // namespace schemas
