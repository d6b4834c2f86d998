#include "api/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace api {
namespace {

/// How many characters must be put in, left out or replaced (R. Wagner, M. Fischer, "The
/// string-to-string correction problem", 1974), one row of the table at a time.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const auto replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest(std::string_view given, std::span<const std::string_view> known) {
  std::string_view best;
  auto least = std::max<std::size_t>(2, given.size() / 3) + 1;
  for (const auto name : known) {
    const auto steps = distance(given, name);
    if (steps < least && steps < name.size()) {
      least = steps;
      best = name;
    }
  }
  return best;
}

std::string hint(std::string_view given, std::span<const std::string_view> known) {
  const auto name = nearest(given, known);
  return name.empty() ? std::string() : fmt::format("; did you mean {}?", name);
}

}  // namespace api
