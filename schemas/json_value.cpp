#include <algorithm>
#include <charconv>

#include "schemas/json.h"

namespace schemas::json {

namespace {

/// Exact: the 64-bit mantissa of x86's long double holds every integer and every double.
long double number_of(Value value) {
  const Node& node = *value.node();
  switch (node.kind) {
    case Kind::integer:
      return static_cast<long double>(node.integer);
    case Kind::unsigned_integer:
      return static_cast<long double>(node.unsigned_integer);
    default:
      return node.real;
  }
}

std::vector<Member> by_name(Value object) {
  std::vector<Member> members;
  members.reserve(object.size());
  for (const Member member : object.members()) members.push_back(member);
  std::ranges::sort(members, {}, &Member::name);
  return members;
}

bool same_member(const Member& a, const Member& b) {
  return a.name == b.name && a.value == b.value;
}

bool same_members(Value a, Value b) {
  // Names first and alone: to compare values once for the usual order and again for any other would
  // double the work on every level.
  const auto same_name = [](const Member& x, const Member& y) { return x.name == y.name; };
  if (std::ranges::equal(a.members(), b.members(), same_name)) {
    return std::ranges::equal(a.members(), b.members(), same_member);
  }
  return std::ranges::equal(by_name(a), by_name(b), same_member);
}

/// A pointer's step as a member name; empty when a ~ is followed by neither 0 nor 1.
std::optional<std::string> unescape_step(std::string_view step) {
  std::string name;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i] != '~') {
      name.push_back(step[i]);
      continue;
    }
    const char which = ++i < step.size() ? step[i] : '\0';
    if (which != '0' && which != '1') return std::nullopt;
    name.push_back(which == '0' ? '~' : '/');
  }
  return name;
}

std::optional<Value> element_at(Value array, std::string_view step) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  const bool is_index = error == std::errc{} && end == step.data() + step.size() &&
                        (step == "0" || step.front() != '0');
  if (!is_index || index >= array.size()) return std::nullopt;
  return *std::ranges::next(array.elements().begin(), static_cast<std::ptrdiff_t>(index));
}

}  // namespace

std::optional<std::uint64_t> Value::as_uint64() const {
  if (kind() == Kind::unsigned_integer) return node_->unsigned_integer;
  if (kind() == Kind::integer && node_->integer >= 0) {
    return static_cast<std::uint64_t>(node_->integer);
  }
  return std::nullopt;
}

std::optional<double> Value::as_double() const {
  if (!is_number()) return std::nullopt;
  return static_cast<double>(number_of(*this));
}

std::optional<Value> Value::find(std::string_view name) const {
  for (const Member member : members()) {
    if (member.name == name) return member.value;
  }
  return std::nullopt;
}

bool operator==(Value a, Value b) {
  if (a.is_number() && b.is_number()) return number_of(a) == number_of(b);
  if (a.kind() != b.kind() || a.size() != b.size()) return false;
  if (a.is_object()) return same_members(a, b);
  if (a.is_array()) return std::ranges::equal(a.elements(), b.elements());
  return a.as_string() == b.as_string() && a.as_bool() == b.as_bool();
}

std::string pointer_escape(std::string_view name) {
  std::string step;
  step.reserve(name.size());
  for (const char c : name) {
    if (c == '~') {
      step += "~0";
    } else if (c == '/') {
      step += "~1";
    } else {
      step.push_back(c);
    }
  }
  return step;
}

std::optional<Value> resolve(Value value, std::string_view pointer) {
  std::optional<Value> found = value;
  while (found && !pointer.empty()) {
    if (pointer.front() != '/') return std::nullopt;
    const std::string_view step = pointer.substr(1, pointer.find('/', 1) - 1);
    pointer.remove_prefix(1 + step.size());
    const auto name = unescape_step(step);
    if (!name) return std::nullopt;
    found = found->is_array() ? element_at(*found, step) : found->find(*name);
  }
  return found;
}

}  // namespace schemas::json
