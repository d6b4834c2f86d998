#pragma once

#include <cstdint>
#include <string_view>

#include "api/config.h"

namespace api {

/// What a server says on standard output when it answers: where, and what to try. `key` is the
/// platform key that was just made; empty when it was made before.
void print_welcome(const Settings& settings, std::uint16_t port, std::string_view key);

}  // namespace api
