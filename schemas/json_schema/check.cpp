#include <algorithm>
#include <cmath>

#include "schemas/json_number.h"
#include "schemas/json_schema/compiled.h"
#include "schemas/json_schema/schema.h"
#include "schemas/json_writer.h"

namespace schemas::json_schema {
namespace {

/// x86's long double holds every integer and every double that JSON can give.
long double number_of(Value value) {
  if (auto number = value.as_int64()) return static_cast<long double>(*number);
  if (auto number = value.as_uint64()) return static_cast<long double>(*number);
  return *value.as_double();
}

/// An exact decimal: digits × 10^exponent.
struct Exact {
  unsigned __int128 digits = 0;
  int exponent = 0;
};
Exact exact_of(Value value) {
  if (auto number = value.as_int64()) {
    return {static_cast<unsigned __int128>(*number < 0 ? -static_cast<__int128>(*number) : *number),
            0};
  }
  if (auto number = value.as_uint64()) return {*number, 0};
  const auto magnitude = std::abs(*value.as_double());
  if (magnitude == 0) return {};
  const json::Decimal decimal(magnitude);
  Exact exact;
  for (char c : decimal.digits()) exact.digits = exact.digits * 10 + static_cast<unsigned>(c - '0');
  exact.exponent = decimal.point() - static_cast<int>(decimal.digits().size());
  return exact;
}

bool is_multiple(Value value, Value of) {
  const auto [a, a_exponent] = exact_of(value);
  const auto [b, b_exponent] = exact_of(of);
  if (a == 0) return true;
  auto shift = a_exponent - b_exponent;
  if (shift >= 0) {
    auto rest = a % b;  // b has at most 20 digits, so rest × 10 does not overflow
    for (; shift > 0 && rest != 0; --shift) rest = rest * 10 % b;
    return rest == 0;
  }
  auto divisor = b;
  for (; shift < 0 && divisor <= a; ++shift) divisor *= 10;
  return shift == 0 && a % divisor == 0;
}

std::uint8_t type_of(Value value) {
  switch (value.kind()) {
    case json::Kind::null:
      return null_type;
    case json::Kind::boolean:
      return boolean_type;
    case json::Kind::integer:
    case json::Kind::unsigned_integer:
      return integer_type;
    case json::Kind::real:
      return std::floor(*value.as_double()) == *value.as_double() ? integer_type : number_type;
    case json::Kind::string:
      return string_type;
    case json::Kind::array:
      return array_type;
    case json::Kind::object:
      return object_type;
  }
  return 0;
}

std::string type_words(std::uint8_t types) {
  std::string words;
  auto word = [&](std::uint8_t type, std::string_view name) {
    if ((types & type) != type) return;
    words += words.empty() ? "" : " or ";
    words += name;
  };
  word(null_type, "null");
  word(boolean_type, "a boolean");
  word(object_type, "an object");
  word(array_type, "an array");
  word(string_type, "a text");
  word(number_type, "a number");
  if ((types & number_type) == 0) word(integer_type, "a whole number");
  return words;
}

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

/// A total order in which equal values are equivalent, so that doubles among many are found by
/// sorting.
int compare(Value a, Value b);
template <typename Range>
int compare_each(const Range& a, const Range& b, auto&& one) {
  auto i = a.begin();
  auto j = b.begin();
  for (; i != a.end() && j != b.end(); ++i, ++j) {
    if (auto order = one(*i, *j)) return order;
  }
  return (i != a.end()) - (j != b.end());
}
std::vector<json::Member> by_name(Value object) {
  std::vector<json::Member> members;
  for (auto member : object.members()) members.push_back(member);
  std::ranges::sort(members, {}, &json::Member::name);
  return members;
}
int compare(Value a, Value b) {
  if (a.is_number() && b.is_number()) {
    return (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
  }
  if (a.kind() != b.kind()) return a.kind() < b.kind() ? -1 : 1;
  if (a.is_string()) return a.as_string()->compare(*b.as_string());
  if (a.is_array()) return compare_each(a.elements(), b.elements(), compare);
  if (a.is_object()) {
    return compare_each(by_name(a), by_name(b), [](const auto& x, const auto& y) {
      auto order = x.name.compare(y.name);
      return order != 0 ? order : compare(x.value, y.value);
    });
  }
  return a.as_bool().value_or(false) - b.as_bool().value_or(false);
}

std::string shown(Value value) {
  constexpr std::size_t shown_max = 200;
  auto text = json::minify(value);
  return text.size() <= shown_max ? text : "the value that the schema gives";
}

/// Where in the value the check is, as a list towards its top.
struct Path {
  const Path* above = nullptr;
  std::string_view name;
  std::size_t index = 0;
};
std::string pointer_of(const Path* path) {
  if (path == nullptr || path->above == nullptr)
    return path == nullptr ? "" : std::string(path->name);
  const auto step =
      path->name.data() == nullptr ? std::to_string(path->index) : json::pointer_escape(path->name);
  return pointer_of(path->above) + "/" + step;
}

/// Which elements or members of one value some valid subschema has looked at.
using Seen = std::vector<bool>;

class Run {
 public:
  Run(const Compiled& compiled, Schema::Allowance& left) : nodes_(compiled.nodes), left_(left) {}

  std::vector<FieldError> check(Value value, std::string_view pointer) {
    const Path top{nullptr, pointer};
    node(0, value, top, nullptr);
    if (!exhausted_) return std::move(errors_);
    return {{FieldError::In::body, std::string(pointer),
             "takes more work to check against its schema than a request may; make it smaller"}};
  }

 private:
  /// Takes from the allowance; false when the check is to end.
  bool spend(std::size_t work) {
    exhausted_ = exhausted_ || work > left_.work;
    left_.work -= exhausted_ ? 0 : work;
    return !exhausted_;
  }
  bool wrong(const Path& path, const auto& detail) {
    if (quiet_ == 0 && left_.errors > 0) {
      errors_.push_back({FieldError::In::body, pointer_of(&path), detail()});
      --left_.errors;
    }
    return false;
  }
  bool done(bool valid) const {
    return exhausted_ || (!valid && (quiet_ > 0 || left_.errors == 0));
  }

  bool node(Index index, Value value, const Path& path, Seen* outer) {
    const Node& schema = nodes_[index];
    if (!spend(1)) return false;
    if (schema.never) return wrong(path, [] { return "must not be there"; });
    const bool own = schema.unevaluated_items || schema.unevaluated_properties;
    Seen seen;
    Seen* marks = nullptr;
    if (own || outer != nullptr) {
      seen.resize(value.size());
      marks = &seen;
      if (!spend(value.size() / 16)) return false;
    }
    bool valid = itself(schema, value, path);
    if (!done(valid) && value.is_array() && schema.looks_at_items()) {
      valid = items(schema, value, path, marks) && valid;
    }
    if (!done(valid) && value.is_object() && schema.looks_at_members()) {
      valid = members(schema, value, path, marks) && valid;
    }
    if (!done(valid)) valid = others(schema, value, path, marks) && valid;
    if (!done(valid) && own) valid = unevaluated(schema, value, path, seen) && valid;
    if (valid && outer != nullptr) merge(*outer, seen);
    return valid && !exhausted_;
  }

  static void merge(Seen& into, const Seen& from) {
    for (std::size_t i = 0; i < from.size(); ++i) into[i] = into[i] || from[i];
  }

  /// Whether a subschema holds, without saying why not.
  bool holds(Index index, Value value, const Path& path, Seen* marks) {
    ++quiet_;
    const bool valid = node(index, value, path, marks);
    --quiet_;
    return valid;
  }

  // ---- the value alone ----

  bool itself(const Node& schema, Value value, const Path& path) {
    if ((schema.types & type_of(value)) == 0) {
      return wrong(path, [&] { return "must be " + type_words(schema.types); });
    }
    if (schema.constant && !same(*schema.constant, value)) {
      return wrong(path, [&] { return "must be " + shown(*schema.constant); });
    }
    if (schema.choices && !one_of(*schema.choices, value)) {
      return wrong(path, [&] { return "must be " + words(*schema.choices); });
    }
    if (value.is_number()) return number(schema, value, path);
    if (auto text = value.as_string()) return text_itself(schema, *text, path);
    return true;
  }

  bool same(Value a, Value b) {
    return spend(1 + static_cast<std::size_t>(a.end() - a.node())) && a == b;
  }
  bool one_of(const std::vector<Value>& choices, Value value) {
    return std::ranges::any_of(choices, [&](Value one) { return same(one, value); });
  }
  static std::string words(const std::vector<Value>& choices) {
    std::string text;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (i > 0) text += i + 1 == choices.size() ? " or " : ", ";
      text += shown(choices[i]);
      if (text.size() > 500)
        return "one of the schema's " + std::to_string(choices.size()) + " values";
    }
    return choices.empty() ? "one of no values" : text;
  }

  bool number(const Node& schema, Value value, const Path& path) {
    const auto is = number_of(value);
    bool valid = true;
    auto bound = [&](const std::optional<Value>& limit, auto fits, std::string_view rule) {
      if (!limit || fits(is, number_of(*limit))) return;
      valid = wrong(path, [&] { return std::string(rule) + shown(*limit); });
    };
    bound(schema.minimum, std::greater_equal<long double>(), "must be at least ");
    bound(schema.maximum, std::less_equal<long double>(), "must be at most ");
    bound(schema.above, std::greater<long double>(), "must be above ");
    bound(schema.below, std::less<long double>(), "must be below ");
    if (schema.multiple_of && !is_multiple(value, *schema.multiple_of)) {
      valid = wrong(path, [&] { return "must be a multiple of " + shown(*schema.multiple_of); });
    }
    return valid;
  }

  bool text_itself(const Node& schema, std::string_view text, const Path& path) {
    if (!spend(text.size() / 64)) return false;
    bool valid = true;
    if (schema.length_min || schema.length_max) {
      valid = within(schema.length_min, schema.length_max, characters_of(text), path, "characters");
    }
    if (schema.pattern && !schema.pattern->found_in(text)) {
      valid = wrong(path, [&] { return "must match " + std::string(schema.pattern_text); });
    }
    return valid;
  }

  bool within(std::optional<std::uint64_t> min, std::optional<std::uint64_t> max,
              std::uint64_t count, const Path& path, std::string_view what) {
    auto say = [&](std::string_view rule, std::uint64_t limit) {
      return wrong(path, [&] {
        return "must have at " + std::string(rule) + " " + std::to_string(limit) + " " +
               std::string(what);
      });
    };
    if (min && count < *min) return say("least", *min);
    if (max && count > *max) return say("most", *max);
    return true;
  }

  // ---- elements ----

  bool items(const Node& schema, Value value, const Path& path, Seen* marks) {
    bool valid = within(schema.items_min, schema.items_max, value.size(), path, "elements");
    if (schema.unique_items && !all_different(value)) {
      valid = wrong(path, [] { return "must not have an element twice"; });
    }
    if (!schema.prefix.empty() || schema.items) {
      std::size_t i = 0;
      for (auto element : value.elements()) {
        const Path deeper{&path, {}, i};
        const bool by_place = i < schema.prefix.size();
        if (!by_place && !schema.items) break;
        if (done(valid)) return false;
        valid =
            node(by_place ? schema.prefix[i] : *schema.items, element, deeper, nullptr) && valid;
        if (marks != nullptr) (*marks)[i] = true;
        ++i;
      }
    }
    if (schema.contains && !done(valid)) valid = contains(schema, value, path, marks) && valid;
    return valid;
  }

  bool all_different(Value array) {
    std::vector<Value> sorted;
    for (auto element : array.elements()) sorted.push_back(element);
    bool affordable = true;
    std::ranges::sort(sorted, [&](Value a, Value b) {
      const auto smaller = std::min(a.end() - a.node(), b.end() - b.node());
      affordable = affordable && spend(static_cast<std::size_t>(smaller));
      return affordable && compare(a, b) < 0;
    });
    auto same_value = [](Value a, Value b) { return compare(a, b) == 0; };
    return affordable && std::ranges::adjacent_find(sorted, same_value) == sorted.end();
  }

  bool contains(const Node& schema, Value value, const Path& path, Seen* marks) {
    const auto least = schema.contains_min.value_or(1);
    const auto most = schema.contains_max.value_or(value.size());
    std::size_t found = 0;
    std::size_t i = 0;
    for (auto element : value.elements()) {
      const Path deeper{&path, {}, i};
      if (holds(*schema.contains, element, deeper, nullptr)) {
        ++found;
        if (marks != nullptr) (*marks)[i] = true;
      }
      if (exhausted_) return false;
      ++i;
    }
    if (found >= least && found <= most) return true;
    return wrong(path, [&] {
      return "must have at " + std::string(found < least ? "least " : "most ") +
             std::to_string(found < least ? least : most) +
             " elements that match the schema's contains, and has " + std::to_string(found);
    });
  }

  // ---- members ----

  bool members(const Node& schema, Value value, const Path& path, Seen* marks) {
    bool valid =
        within(schema.properties_min, schema.properties_max, value.size(), path, "members");
    valid = present(schema.required, value, path) && valid;
    for (const auto& [name, needed] : schema.dependent_required) {
      if (!done(valid) && find(value, name)) valid = present(needed, value, path) && valid;
    }
    const bool each = !schema.properties.empty() || !schema.pattern_properties.empty() ||
                      schema.additional || schema.property_names;
    if (!each) return valid;
    std::size_t i = 0;
    for (auto one : value.members()) {
      if (done(valid) || !spend(1)) return false;
      valid = member(schema, one, path, marks, i++) && valid;
    }
    return valid;
  }

  bool member(const Node& schema, const json::Member& one, const Path& path, Seen* marks,
              std::size_t i) {
    const Path deeper{&path, one.name};
    bool valid = true;
    bool known = false;
    auto apply = [&](Index index) {
      known = true;
      if (!done(valid)) valid = node(index, one.value, deeper, nullptr) && valid;
    };
    if (schema.property_names) {
      const Value name(one.value.node() - 1);  // a member is its name and its value
      if (!holds(*schema.property_names, name, deeper, nullptr)) {
        valid = wrong(deeper, [] { return "has a name that the schema's propertyNames refuse"; });
      }
    }
    auto named = schema.properties.find(one.name);
    if (named != schema.properties.end()) apply(named->second);
    for (const auto& [pattern, index] : schema.pattern_properties) {
      if (!spend(1 + one.name.size() / 64)) return false;
      if (pattern.found_in(one.name)) apply(index);
    }
    if (!known && schema.additional) {
      known = true;
      if (nodes_[*schema.additional].never) {
        valid = wrong(deeper, [] { return "unknown member"; });
      } else {
        apply(*schema.additional);
      }
    }
    if (known && marks != nullptr) (*marks)[i] = true;
    return valid;
  }

  std::optional<Value> find(Value object, std::string_view name) {
    return spend(1 + object.size() / 8) ? object.find(name) : std::nullopt;
  }
  bool present(const std::vector<std::string_view>& names, Value value, const Path& path) {
    bool valid = true;
    for (auto name : names) {
      if (done(valid)) return false;
      if (!find(value, name)) valid = wrong({&path, name}, [] { return "is required"; });
    }
    return valid;
  }

  // ---- other schemas at the same place ----

  bool others(const Node& schema, Value value, const Path& path, Seen* marks) {
    bool valid = true;
    auto apply = [&](Index index) {
      if (!done(valid)) valid = node(index, value, path, marks) && valid;
    };
    if (schema.reference) apply(*schema.reference);
    for (auto index : schema.all_of) apply(index);
    for (const auto& [name, index] : schema.dependent_schemas) {
      if (value.is_object() && find(value, name)) apply(index);
    }
    if (schema.condition) {
      const bool met = holds(*schema.condition, value, path, marks);
      const auto& next = met ? schema.then : schema.otherwise;
      if (next) apply(*next);
    }
    if (!schema.any_of.empty() && !done(valid)) valid = any(schema, value, path, marks) && valid;
    if (!schema.one_of.empty() && !done(valid)) valid = one(schema, value, path, marks) && valid;
    if (schema.none_of && !done(valid) && holds(*schema.none_of, value, path, nullptr)) {
      valid = wrong(path, [] { return "must not match the schema's not"; });
    }
    return valid;
  }

  bool any(const Node& schema, Value value, const Path& path, Seen* marks) {
    bool found = false;
    for (auto index : schema.any_of) {
      if (holds(index, value, path, marks)) found = true;
      if (exhausted_ || (found && marks == nullptr)) return found;
    }
    if (found) return true;
    return wrong(path, [&] {
      return "must match one of the " + std::to_string(schema.any_of.size()) +
             " schemas of anyOf and matches none";
    });
  }

  bool one(const Node& schema, Value value, const Path& path, Seen* marks) {
    std::size_t found = 0;
    Seen first(marks == nullptr ? 0 : marks->size());
    for (auto index : schema.one_of) {
      if (holds(index, value, path, marks == nullptr ? nullptr : &first)) ++found;
      if (exhausted_ || found > 1) break;
    }
    if (found == 1 && marks != nullptr) merge(*marks, first);
    if (found == 1) return true;
    return wrong(path, [&] {
      return "must match exactly one of the " + std::to_string(schema.one_of.size()) +
             " schemas of oneOf and matches " + (found == 0 ? "none" : "more");
    });
  }

  bool unevaluated(const Node& schema, Value value, const Path& path, Seen& seen) {
    const auto& rule = value.is_object() ? schema.unevaluated_properties : schema.unevaluated_items;
    if (!rule || value.size() == 0) return true;
    bool valid = true;
    std::size_t i = 0;
    auto apply = [&](Value deeper_value, const Path& deeper) {
      if (!seen[i] && nodes_[*rule].never) {
        valid = wrong(deeper, [] { return "no part of the schema knows it"; });
      } else if (!seen[i]) {
        valid = node(*rule, deeper_value, deeper, nullptr) && valid;
      }
      seen[i++] = true;
    };
    for (auto member : value.members()) {
      if (done(valid) || !spend(1)) return false;
      apply(member.value, {&path, member.name});
    }
    for (auto element : value.elements()) {
      if (done(valid) || !spend(1)) return false;
      apply(element, {&path, {}, i});
    }
    return valid;
  }

  const std::vector<Node>& nodes_;
  Schema::Allowance& left_;
  bool exhausted_ = false;
  int quiet_ = 0;
  std::vector<FieldError> errors_;
};

}  // namespace

std::vector<FieldError> Schema::check(Value value, std::string_view pointer,
                                      Allowance& left) const {
  return Run(*compiled_, left).check(value, pointer);
}

}  // namespace schemas::json_schema
