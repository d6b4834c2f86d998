#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/json.h"
#include "schemas/result.h"

/// JSON Schema 2020-12. What a schema says is enforced or refused when it is compiled, never passed
/// over; what is left out is listed in the folder's README.
namespace schemas::json_schema {

/// Of one schema.
inline constexpr std::size_t bytes_max = std::size_t{64} << 10;
inline constexpr std::size_t subschemas_max = 2'000;
inline constexpr std::size_t patterns_max = 100;
/// How many subschemas may follow each other at one place of the value, through $ref, allOf and
/// their like.
inline constexpr std::size_t chain_max = 32;

struct Compiled;

/// A compiled schema. A value, immutable; any thread may ask it.
class Schema {
 public:
  /// Everything that is wrong with the schema, as pointers into it behind `pointer`; what is not
  /// supported is wrong and says what to do instead.
  static Result<Schema> compile(json::Value schema, std::string_view pointer);

  /// What is left to spend on one value, or on several together: work is counted in subschemas,
  /// members and texts looked at.
  struct Allowance {
    std::size_t work = 100'000;
    std::size_t errors = 20;
  };
  /// What is wrong with the value, as pointers into it behind `pointer`; empty when it is valid.
  std::vector<FieldError> check(json::Value value, std::string_view pointer, Allowance& left) const;
  std::vector<FieldError> check(json::Value value, std::string_view pointer) const {
    Allowance usual;
    return check(value, pointer, usual);
  }

  std::size_t pattern_count() const;

 private:
  explicit Schema(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;  // immutable, shared by the copies
};

}  // namespace schemas::json_schema
