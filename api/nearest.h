#pragma once

#include <span>
#include <string>
#include <string_view>

namespace api {

/// The name among `known` that `given` was probably meant to be; empty when none is near.
std::string_view nearest(std::string_view given, std::span<const std::string_view> known);

/// `; did you mean X?`, or nothing.
std::string hint(std::string_view given, std::span<const std::string_view> known);

}  // namespace api
