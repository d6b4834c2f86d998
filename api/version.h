#pragma once

#include <string_view>

namespace api {

/// Of the program, as in the project's line of CMakeLists.txt.
inline constexpr std::string_view version = "0.1.0";

}  // namespace api
