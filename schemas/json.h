#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.h"

/// JSON as it is read: a text becomes an immutable Document, looked at through Values.
/// Writing is json_writer.h, reading a request's members is json_reader.h.
namespace schemas::json {

enum class Kind : std::uint8_t {
  null,
  boolean,
  integer,           // fits std::int64_t
  unsigned_integer,  // above that, fits std::uint64_t
  real,              // written with a point or an exponent, or an integer that only a double holds
  string,
  array,
  object,
};

/// How deep arrays and objects may stand in each other.
inline constexpr std::size_t depth_max = 64;

/// One value of a document. Arrays and objects are followed by what they hold, in order; an
/// object's members are a string node and their value.
struct Node {
  union {
    bool boolean;
    std::int64_t integer;
    std::uint64_t unsigned_integer;
    double real;
    const char* text;
    std::size_t nodes;  // of an array or object: how many nodes it takes, itself included
  };
  std::uint32_t size;  // bytes of a string, elements of an array, members of an object
  Kind kind;
};

class Elements;
class Members;

/// A read-only view of a value inside a Document: one pointer, to be passed by value, valid as long
/// as the Document lives (also after that has been moved). What is asked for as a kind that it does
/// not have is empty, so that input can be looked at without being checked first.
class Value {
 public:
  explicit Value(const Node* node) : node_(node) {}

  Kind kind() const { return node_->kind; }
  bool is_null() const { return kind() == Kind::null; }
  bool is_string() const { return kind() == Kind::string; }
  bool is_array() const { return kind() == Kind::array; }
  bool is_object() const { return kind() == Kind::object; }
  bool is_number() const { return kind() >= Kind::integer && kind() <= Kind::real; }

  std::optional<std::string_view> as_string() const {
    if (!is_string()) return std::nullopt;
    return std::string_view(node_->text, node_->size);
  }
  std::optional<bool> as_bool() const {
    return kind() == Kind::boolean ? std::optional(node_->boolean) : std::nullopt;
  }
  /// A number without point and exponent that fits; 1.0 is not an integer.
  std::optional<std::int64_t> as_int64() const {
    return kind() == Kind::integer ? std::optional(node_->integer) : std::nullopt;
  }
  std::optional<std::uint64_t> as_uint64() const;
  /// Any number; integers beyond 2^53 are rounded.
  std::optional<double> as_double() const;

  /// Elements of an array, members of an object, 0 for all else.
  std::size_t size() const { return is_array() || is_object() ? node_->size : 0; }
  /// In order of appearance; empty when this is no array, or no object.
  Elements elements() const;
  Members members() const;
  /// The member of that name, if this is an object and has it. Walks the members.
  std::optional<Value> find(std::string_view name) const;

  const Node* node() const { return node_; }
  /// The node behind this value and all that it holds.
  const Node* end() const { return node_ + (is_array() || is_object() ? node_->nodes : 1); }

  /// Same kinds, texts and numbers, members in any order. 1 and 1.0 are the same number.
  friend bool operator==(Value a, Value b);

 private:
  const Node* node_;
};

struct Member {
  std::string_view name;
  Value value;
};

class Elements {
 public:
  struct Iterator {
    using difference_type = std::ptrdiff_t;
    using value_type = Value;
    const Node* at = nullptr;
    Value operator*() const { return Value(at); }
    Iterator& operator++() {
      at = Value(at).end();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator&, const Iterator&) = default;
  };
  Elements(const Node* first, const Node* last) : first_(first), last_(last) {}
  Iterator begin() const { return {first_}; }
  Iterator end() const { return {last_}; }

 private:
  const Node* first_;
  const Node* last_;
};

class Members {
 public:
  struct Iterator {
    using difference_type = std::ptrdiff_t;
    using value_type = Member;
    const Node* at = nullptr;
    Member operator*() const { return {{at->text, at->size}, Value(at + 1)}; }
    Iterator& operator++() {
      at = Value(at + 1).end();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator&, const Iterator&) = default;
  };
  Members(const Node* first, const Node* last) : first_(first), last_(last) {}
  Iterator begin() const { return {first_}; }
  Iterator end() const { return {last_}; }

 private:
  const Node* first_;
  const Node* last_;
};

inline Elements Value::elements() const {
  return is_array() ? Elements(node_ + 1, end()) : Elements(nullptr, nullptr);
}
inline Members Value::members() const {
  return is_object() ? Members(node_ + 1, end()) : Members(nullptr, nullptr);
}

/// A parsed text, independent of it. Moving keeps Values valid; any number of threads may read.
class Document {
 public:
  Document(std::vector<Node> nodes, std::unique_ptr<char[]> texts)
      : nodes_(std::move(nodes)), texts_(std::move(texts)) {}

  Value root() const { return Value(nodes_.data()); }

 private:
  std::vector<Node> nodes_;
  std::unique_ptr<char[]> texts_;
};

/// One JSON text (RFC 8259), strictly: also refused are duplicate members (after unescaping), depth
/// over 64, bad UTF-8, lone surrogates, a byte order mark, anything behind the value, numbers above
/// a double's, and integers that neither 64 bits nor a double hold with all their digits. The error
/// is malformed_json with members `line` and `column` (from 1; columns count characters) and a
/// detail that says what is wrong there.
Result<Document> parse(std::string_view text);

/// Without white space, members in order of appearance. Integers come out as they were, other
/// numbers as the shortest text that reads as the same double; parse(minify(x)) == x.
std::string minify(Value value);

/// RFC 8785 (JCS): equal documents give equal bytes. Numbers are doubles there, so that integers
/// beyond 2^53 that differ in their last digits can come out the same.
std::string canonical(Value value);

/// RFC 7396: `target` (absent: nothing is there yet) after `patch`. Members keep their place, new
/// ones come last.
std::string merge_patch(std::optional<Value> target, Value patch);

/// A minified copy of `root` in which each value that `change` answers for is what it answers, JSON
/// text. `pointer` says where the value stands; outer values are asked for first, and nothing that
/// stands in a changed one.
using Change = std::function<std::optional<std::string>(std::string_view pointer, Value value)>;
std::string rewrite(Value root, const Change& change);

/// One step of a JSON pointer (RFC 6901) from a member name: ~ is ~0 and / is ~1.
std::string pointer_escape(std::string_view name);
/// What a JSON pointer points to; empty when nothing is there or the pointer has a wrong form.
std::optional<Value> resolve(Value value, std::string_view pointer);

/// Whether a text may be given to the writer.
bool valid_utf8(std::string_view text);

}  // namespace schemas::json
