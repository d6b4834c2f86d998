#include "schemas/result.h"

#include <cstdlib>

#include <fmt/core.h>

namespace schemas {

void ensure_failed(const char* condition, const char* file, int line) {
  fmt::print(stderr, "broken invariant: {} at {}:{}\n", condition, file, line);
  std::abort();
}

}  // namespace schemas
