#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

/// What bodies and parameters are made of, as data: `/openapi.json` is written from it.
namespace api::resources {

enum class Type : std::uint8_t {
  text,
  integer,
  boolean,
  time,
  object,
  map,      ///< an object whose members are named freely: objects, or texts without `fields`
  version,  ///< a whole number from 1, or one of `choices`
  any,
};
enum class Need : std::uint8_t { optional, required };
enum class Many : std::uint8_t { one, list };

struct Field {
  static constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::min();

  std::string_view name;
  Type type = Type::text;
  Need need = Need::optional;
  Many many = Many::one;
  bool nullable = false;
  /// Of a text's characters, or of a number.
  std::int64_t min = no_limit;
  std::int64_t max = no_limit;
  std::int64_t items_max = no_limit;
  std::string_view pattern = {};
  /// Of an id: what it begins with, before `_`.
  std::string_view id = {};
  std::span<const std::string_view> choices = {};
  /// Members of an object; of a map, of each of its values.
  std::span<const Field> fields = {};
  std::string_view description = {};
  /// A value that is allowed, as JSON.
  std::string_view example = {};
};

/// Two lists of fields as one.
template <std::size_t A, std::size_t B>
constexpr std::array<Field, A + B> joined(const std::array<Field, A>& a,
                                          const std::array<Field, B>& b) {
  std::array<Field, A + B> all;
  std::copy(a.begin(), a.end(), all.begin());
  std::copy(b.begin(), b.end(), all.begin() + A);
  return all;
}

/// A named object, such as the answer of a route.
struct Shape {
  std::string_view name;
  std::span<const Field> fields;
};

}  // namespace api::resources
