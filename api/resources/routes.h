#pragma once

#include <span>

#include "api/resources/operation.h"

namespace api::resources {

/// THE route table: every operation of the server, one line each. Lives for ever.
std::span<const Operation> operations();

}  // namespace api::resources
