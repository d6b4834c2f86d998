#include "schemas/planted.h"

#ifdef TIDEMARK_PLANTED
#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace schemas {
namespace {

Fault chosen() {
  const char* name = std::getenv("PLANTED_FAULT");
  if (name == nullptr) return Fault::none;
  const auto found = std::ranges::find(fault_names, name);
  if (found == fault_names.end()) {
    std::fprintf(stderr, "PLANTED_FAULT: there is no fault '%s'\n", name);
    std::exit(2);
  }
  return static_cast<Fault>(found - fault_names.begin());
}

}  // namespace

bool planted(Fault fault) {
  static const Fault planted = chosen();
  return planted == fault;
}

}  // namespace schemas
#endif
