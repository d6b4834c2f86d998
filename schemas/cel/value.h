#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "schemas/json.h"

/// The values of CEL (github.com/google/cel-spec, doc/langdef.md "Values") without messages: what
/// an expression is made of and what it comes to.
namespace schemas::cel {

enum class Kind : std::uint8_t {
  error,  // a value like the others: `false && error` is false
  null,
  boolean,
  integer,
  unsigned_integer,
  real,
  string,
  bytes,
  timestamp,
  duration,
  type,
  optional,
  list,
  map,
};

struct Entry;
class Memory;

/// An instant to the nanosecond: seconds since 1970, years 1 to 9999.
struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// 16 bytes, passed by value. Texts, lists and maps are looked at and not owned: they live in the
/// program, in the JSON document that was given, or in the Memory of the evaluation. Objects and
/// arrays of JSON are maps and lists without being copied.
class Value {
 public:
  constexpr Value() = default;
  static Value null() { return Value(Kind::null); }
  static Value boolean(bool value) { return make(Kind::boolean, &Value::boolean_, value); }
  static Value integer(std::int64_t value) { return make(Kind::integer, &Value::integer_, value); }
  static Value unsigned_integer(std::uint64_t value) {
    return make(Kind::unsigned_integer, &Value::unsigned_, value);
  }
  static Value real(double value) { return make(Kind::real, &Value::real_, value); }
  static Value string(std::string_view text) { return make_text(Kind::string, text); }
  static Value bytes(std::string_view text) { return make_text(Kind::bytes, text); }
  static Value type(std::string_view name) { return make_text(Kind::type, name); }
  static Value error(std::string_view what) { return make_text(Kind::error, what); }
  static Value timestamp(Timestamp time);
  /// In nanoseconds: 292 years at most, as in cel-go.
  static Value duration(std::int64_t value) {
    return make(Kind::duration, &Value::integer_, value);
  }
  /// Null: there is none.
  static Value optional(const Value* inner) { return make(Kind::optional, &Value::items_, inner); }
  static Value list(const Value* items, std::size_t size);
  static Value map(const Entry* entries, std::size_t size);
  /// Integers are int where they fit, else uint; numbers with a point or an exponent double.
  static Value of(json::Value value);

  Kind kind() const { return kind_; }
  bool is_error() const { return kind_ == Kind::error; }
  bool is_true() const { return kind_ == Kind::boolean && boolean_; }
  bool is_number() const { return kind_ >= Kind::integer && kind_ <= Kind::real; }

  // Each for its own kind.
  bool as_boolean() const { return boolean_; }
  std::int64_t as_integer() const { return integer_; }  // also of a duration
  std::uint64_t as_unsigned() const { return unsigned_; }
  double as_real() const { return real_; }
  std::string_view text() const { return {text_, size_}; }  // string, bytes, type, error
  Timestamp as_timestamp() const { return {integer_, size_}; }
  const Value* inner() const { return items_; }

  /// Elements of a list, entries of a map, bytes of a text.
  std::size_t size() const { return size_; }
  /// An element of a list. JSON arrays are walked.
  Value at(std::size_t index) const;
  /// What a map has under a key; numbers of different kinds are the same key if they are equal.
  /// As far as `memory`, if given, has steps for looking.
  std::optional<Value> find(Value key, Memory* memory = nullptr) const;

  /// The name that `type()` gives.
  std::string_view type_name() const;

 private:
  friend class Items;
  constexpr explicit Value(Kind kind) : kind_(kind) {}
  template <typename T>
  static Value make(Kind kind, T Value::* where, T what) {
    Value value(kind);
    value.*where = what;
    return value;
  }
  static Value make_text(Kind kind, std::string_view text);

  Kind kind_ = Kind::null;
  bool of_json_ = false;  // a list or map that is a node of JSON
  std::uint32_t size_ = 0;
  union {
    bool boolean_;
    std::int64_t integer_ = 0;
    std::uint64_t unsigned_;
    double real_;
    const char* text_;
    const Value* items_;
    const Entry* entries_;
    const json::Node* node_;
  };
};

static_assert(sizeof(Value) == 16);

/// One of a map; of a list the key is the index.
struct Entry {
  Value key;
  Value value;
};

/// Walks a list or map in order of appearance:  for (Items i(list); i.has(); i.next()) …
class Items {
 public:
  explicit Items(Value value) : value_(value), node_(value.of_json_ ? value.node_ + 1 : nullptr) {}
  bool has() const { return index_ < value_.size_; }
  void next();
  Value key() const;  // of a list its index
  Value value() const;

 private:
  bool is_map() const { return value_.kind_ == Kind::map; }

  Value value_;
  const json::Node* node_;
  std::size_t index_ = 0;
};

/// CEL's ==: numbers by what they are, whatever their kinds; values of other kinds that differ are
/// not equal; NaN is not equal to itself. Every element and text that is looked at is charged to
/// `memory`, if given; what it says when that is exceeded means nothing.
bool equal(Value left, Value right, Memory* memory = nullptr);

enum class Order : std::uint8_t { less, same, greater, unordered, no_overload };
/// CEL's < and >. Texts go by their bytes, which is by code points.
Order compare(Value left, Value right);

}  // namespace schemas::cel
