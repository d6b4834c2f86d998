#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/cel/pattern.h"
#include "schemas/json.h"

/// What compiling makes and checking reads; of this folder only.
namespace schemas::json_schema {

using json::Value;
using Index = std::uint32_t;  // of a subschema in Compiled::nodes

/// Types as bits, so that a list of them is one number.
enum Types : std::uint8_t {
  null_type = 1,
  boolean_type = 2,
  object_type = 4,
  array_type = 8,
  string_type = 16,
  number_type = 32,  // and integers
  integer_type = 64,
  any_type = 127,
};

/// One subschema; its keywords, in the order in which they are checked. Values and texts point into
/// Compiled::document.
struct Node {
  bool never = false;  // the schema `false`
  std::uint8_t types = any_type;
  std::optional<Value> constant;
  std::optional<std::vector<Value>> choices;

  std::optional<Value> minimum, maximum, above, below, multiple_of;
  std::optional<std::uint64_t> length_min, length_max;
  std::optional<cel::Pattern> pattern;
  std::string_view pattern_text;

  std::optional<std::uint64_t> items_min, items_max, contains_min, contains_max;
  bool unique_items = false;
  std::vector<Index> prefix;
  std::optional<Index> items, contains;

  std::optional<std::uint64_t> properties_min, properties_max;
  std::vector<std::string_view> required;
  std::map<std::string_view, Index> properties;
  std::vector<std::pair<cel::Pattern, Index>> pattern_properties;
  std::optional<Index> additional, property_names;
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> dependent_required;
  std::vector<std::pair<std::string_view, Index>> dependent_schemas;

  std::vector<Index> all_of, any_of, one_of;
  std::optional<Index> none_of, condition, then, otherwise, reference;
  std::optional<Index> unevaluated_items, unevaluated_properties;

  bool looks_at_items() const {
    return items_min || items_max || unique_items || !prefix.empty() || items || contains;
  }
  bool looks_at_members() const {
    return properties_min || properties_max || !required.empty() || !properties.empty() ||
           !pattern_properties.empty() || additional || property_names ||
           !dependent_required.empty();
  }
};

struct Compiled {
  json::Document document;
  std::vector<Node> nodes;  // the root first
  std::size_t patterns = 0;
};

}  // namespace schemas::json_schema
