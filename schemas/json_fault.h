#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace schemas::json {

/// What is wrong in a text, and the byte at which it shows.
struct Fault {
  std::size_t at;
  std::string detail;
};

/// The first fault of a text that parse() refuses, empty for every other. It is the slow second
/// look that finds words and a place for a refusal; both answer the same question (a fuzz target
/// compares them).
std::optional<Fault> find_fault(std::string_view text);

/// Line and column of a byte, from 1. A column is a character, not a byte.
struct Place {
  std::size_t line;
  std::size_t column;
};
Place place_of(std::string_view text, std::size_t at);

}  // namespace schemas::json
