#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace schemas::json {

/// What is wrong in a text, and the byte at which it shows.
struct Fault {
  std::size_t at;
  std::string detail;
};

/// The slow second look at a text that simdjson refuses: finds words and a place for what is wrong,
/// and what is right all the same. Fast and slow look answer the same question; a fuzz target
/// compares them.
struct Check {
  std::optional<Fault> fault;
  /// Where integers end that 64 bits do not hold, but a double does without changing a digit, as a
  /// JavaScript client writes 1e20. simdjson refuses them without a point behind.
  std::vector<std::size_t> large_integers;
};
Check check(std::string_view text);

/// Line and column of a byte, from 1. A column is a character, not a byte.
struct Place {
  std::size_t line;
  std::size_t column;
};
Place place_of(std::string_view text, std::size_t at);

}  // namespace schemas::json
