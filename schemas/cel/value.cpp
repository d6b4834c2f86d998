#include "schemas/cel/value.h"

#include <cmath>
#include <limits>

#include "schemas/cel/memory.h"

namespace schemas::cel {
namespace {

Order order(auto left, auto right) {
  if (left < right) return Order::less;
  return left == right ? Order::same : Order::greater;
}

Order reverse(Order order) {
  if (order == Order::less) return Order::greater;
  return order == Order::greater ? Order::less : order;
}

/// As doubles, once the integer is known to be in their reach: 2^63 - 1 and 2^63 are the same, as
/// the conformance cases ask.
template <typename Integer>
Order order_with_real(Integer left, double right) {
  if (std::isnan(right)) return Order::unordered;
  return order(static_cast<double>(left), right);
}

Order order_mixed(std::int64_t left, std::uint64_t right) {
  return left < 0 ? Order::less : order(static_cast<std::uint64_t>(left), right);
}

Order compare_numbers(Value left, Value right) {
  using enum Kind;
  if (left.kind() > right.kind()) return reverse(compare_numbers(right, left));
  if (left.kind() == integer) {
    if (right.kind() == integer) return order(left.as_integer(), right.as_integer());
    if (right.kind() == real) return order_with_real(left.as_integer(), right.as_real());
    return order_mixed(left.as_integer(), right.as_unsigned());
  }
  if (left.kind() == unsigned_integer) {
    if (right.kind() == real) return order_with_real(left.as_unsigned(), right.as_real());
    return order(left.as_unsigned(), right.as_unsigned());
  }
  if (std::isnan(left.as_real()) || std::isnan(right.as_real())) return Order::unordered;
  return order(left.as_real(), right.as_real());
}

bool spend(Memory* memory, std::size_t steps) {
  return memory == nullptr || memory->spend(steps);
}

bool equal_lists(Value left, Value right, Memory* memory) {
  if (left.size() != right.size()) return false;
  Items theirs(right);
  for (Items ours(left); ours.has(); ours.next(), theirs.next()) {
    if (!spend(memory, 1) || !equal(ours.value(), theirs.value(), memory)) return false;
  }
  return true;
}

bool equal_maps(Value left, Value right, Memory* memory) {
  if (left.size() != right.size()) return false;
  for (Items ours(left); ours.has(); ours.next()) {
    const auto theirs = right.find(ours.key(), memory);
    if (!theirs || !equal(ours.value(), *theirs, memory)) return false;
  }
  return true;
}

}  // namespace

Value Value::make_text(Kind kind, std::string_view text) {
  Value value(kind);
  value.text_ = text.data();
  value.size_ = static_cast<std::uint32_t>(text.size());
  return value;
}

Value Value::timestamp(Timestamp time) {
  Value value(Kind::timestamp);
  value.integer_ = time.seconds;
  value.size_ = time.nanoseconds;
  return value;
}

Value Value::list(const Value* items, std::size_t size) {
  auto value = make(Kind::list, &Value::items_, items);
  value.size_ = static_cast<std::uint32_t>(size);
  return value;
}

Value Value::map(const Entry* entries, std::size_t size) {
  auto value = make(Kind::map, &Value::entries_, entries);
  value.size_ = static_cast<std::uint32_t>(size);
  return value;
}

Value Value::of(json::Value value) {
  const auto* node = value.node();
  switch (node->kind) {
    case json::Kind::null:
      return null();
    case json::Kind::boolean:
      return boolean(node->boolean);
    case json::Kind::integer:
      return integer(node->integer);
    case json::Kind::unsigned_integer:
      return unsigned_integer(node->unsigned_integer);
    case json::Kind::real:
      return real(node->real);
    case json::Kind::string:
      return string({node->text, node->size});
    default:
      break;
  }
  auto made = make(node->kind == json::Kind::array ? Kind::list : Kind::map, &Value::node_, node);
  made.size_ = node->size;
  made.of_json_ = true;
  return made;
}

Value Value::at(std::size_t index) const {
  if (!of_json_) return items_[index];
  const auto* node = node_ + 1;
  for (; index > 0; --index) node = json::Value(node).end();
  return of(json::Value(node));
}

std::optional<Value> Value::find(Value key, Memory* memory) const {
  if (!of_json_) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (!spend(memory, 1)) return std::nullopt;
      if (equal(entries_[i].key, key, memory)) return entries_[i].value;
    }
    return std::nullopt;
  }
  if (key.kind() != Kind::string || !spend(memory, 1 + size_ / 8 * (1 + key.size() / 64))) {
    return std::nullopt;
  }
  const auto found = json::Value(node_).find(key.text());
  return found ? std::optional(of(*found)) : std::nullopt;
}

std::string_view Value::type_name() const {
  switch (kind_) {
    case Kind::error:
      return "error";
    case Kind::null:
      return "null_type";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::unsigned_integer:
      return "uint";
    case Kind::real:
      return "double";
    case Kind::string:
      return "string";
    case Kind::bytes:
      return "bytes";
    case Kind::timestamp:
      return "google.protobuf.Timestamp";
    case Kind::duration:
      return "google.protobuf.Duration";
    case Kind::type:
      return "type";
    case Kind::optional:
      return "optional_type";
    case Kind::list:
      return "list";
    case Kind::map:
      return "map";
  }
  return "error";
}

void Items::next() {
  ++index_;
  if (node_ != nullptr) node_ = json::Value(node_ + (is_map() ? 1 : 0)).end();
}

Value Items::key() const {
  if (!is_map()) return Value::integer(static_cast<std::int64_t>(index_));
  return node_ != nullptr ? Value::of(json::Value(node_)) : value_.entries_[index_].key;
}

Value Items::value() const {
  if (node_ != nullptr) return Value::of(json::Value(node_ + (is_map() ? 1 : 0)));
  return is_map() ? value_.entries_[index_].value : value_.items_[index_];
}

bool equal(Value left, Value right, Memory* memory) {
  if (left.is_number() && right.is_number()) return compare_numbers(left, right) == Order::same;
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::null:
      return true;
    case Kind::list:
      return equal_lists(left, right, memory);
    case Kind::map:
      return equal_maps(left, right, memory);
    case Kind::type:
      return left.text() == right.text();
    case Kind::optional: {
      const auto *ours = left.inner(), *theirs = right.inner();
      if (ours == nullptr || theirs == nullptr) return ours == theirs;
      return spend(memory, 1) && equal(*ours, *theirs, memory);
    }
    case Kind::string:
    case Kind::bytes:
      return left.size() == right.size() && spend(memory, left.size() / 64) &&
             left.text() == right.text();
    default:
      return compare(left, right) == Order::same;
  }
}

Order compare(Value left, Value right) {
  if (left.is_number() && right.is_number()) return compare_numbers(left, right);
  if (left.kind() != right.kind()) return Order::no_overload;
  switch (left.kind()) {
    case Kind::boolean:
      return order(left.as_boolean(), right.as_boolean());
    case Kind::string:
    case Kind::bytes:
      return order(left.text(), right.text());
    case Kind::timestamp:
      return order(left.as_timestamp(), right.as_timestamp());
    case Kind::duration:
      return order(left.as_integer(), right.as_integer());
    default:
      return Order::no_overload;
  }
}

}  // namespace schemas::cel
