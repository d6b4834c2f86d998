#pragma once

#include <cstdint>
#include <string>

#include <fmt/core.h>

#include "projections/read_store.h"

/// Writes that show afterwards whether a store holds a prefix of them: write n replaces ten of a
/// hundred rows, and the position, by n.
namespace projections {

inline constexpr std::uint64_t row_count = 100;
inline constexpr std::uint64_t rows_per_write = 10;

inline std::string row_key(std::uint64_t row) {
  return fmt::format("row/{:03}", row);
}

inline WriteSet numbered_write(std::uint64_t number) {
  static const std::string padding(2000, 'p');
  WriteSet changes{{"a position", std::to_string(number)}, {"z position", std::to_string(number)}};
  for (std::uint64_t i = 0; i < rows_per_write; ++i) {
    changes[row_key((number * rows_per_write + i) % row_count)] =
        std::to_string(number) + ' ' + padding;
  }
  return changes;
}

/// The number that numbered_write left in `row` when `position` was the last.
inline std::uint64_t number_at(std::uint64_t row, std::uint64_t position) {
  constexpr auto cycle = row_count / rows_per_write;
  auto wanted = row / rows_per_write;
  auto back = (position % cycle + cycle - wanted) % cycle;
  return position >= back ? position - back : 0;
}

inline std::uint64_t position_in(const ReadStore& store) {
  auto position = store.get("a position");
  ENSURE(position == store.get("z position"));
  return position ? std::stoull(*position) : 0;
}

}  // namespace projections
