#include "schemas/json_reader.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schemas/time.h"

namespace schemas::json {

namespace {

constexpr std::size_t faults_kept_max = 100;

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// C0, DEL and C1 (U+0080 to U+009F, in UTF-8 0xc2 and a byte below 0xa0).
bool has_control_characters(std::string_view text) {
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0)) return true;
    before = byte;
  }
  return false;
}

std::string how_many(std::size_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

/// What a text breaks of its rule; empty when it keeps it.
std::string broken_rule(std::string_view text, const TextRule& rule) {
  const std::size_t characters = count_characters(text);
  if (characters < rule.characters_min) {
    if (rule.characters_min == 1) return "must not be empty";
    return fmt::format("must have at least {}", how_many(rule.characters_min, "character"));
  }
  if (characters > rule.characters_max) {
    return fmt::format("must have at most {}", how_many(rule.characters_max, "character"));
  }
  if (text.size() > rule.bytes_max) {
    return fmt::format("must have at most {} of UTF-8", how_many(rule.bytes_max, "byte"));
  }
  const bool refuses = rule.control_characters == ControlCharacters::refuse;
  if (refuses && has_control_characters(text)) return "must not contain control characters";
  return {};
}

std::string broken_rule(Value value, const IntegerRule& rule) {
  const auto number = value.as_int64();
  if (number && *number >= rule.min && *number <= rule.max) return {};
  if (!number && value.kind() != Kind::unsigned_integer) return "must be an integer";
  if (rule.max == std::numeric_limits<std::int64_t>::max() && number) {
    return fmt::format("must be at least {}", rule.min);
  }
  return fmt::format("must be from {} to {}", rule.min, rule.max);
}

std::string broken_rule(Value value, const NumberRule& rule) {
  const auto number = value.as_double();
  if (!number) return "must be a number";
  if (*number >= rule.min && *number <= rule.max) return {};
  if (rule.max == std::numeric_limits<double>::max()) {
    return fmt::format("must be at least {}", rule.min);
  }
  return fmt::format("must be from {} to {}", rule.min, rule.max);
}

/// Why a value is no array of so many things; empty when it is one.
std::string broken_array(Value value, std::string_view things, std::size_t count_min,
                         std::size_t count_max) {
  if (!value.is_array()) return fmt::format("must be an array of {}", things);
  if (value.size() < count_min) return "must not be empty";
  if (value.size() <= count_max) return {};
  return fmt::format("must have at most {}", how_many(count_max, "element"));
}

}  // namespace

ObjectReader::ObjectReader(Value object) : object_(object), faults_(own_faults_) {
  if (!object_.is_object()) note("", "must be an object");
}

ObjectReader::ObjectReader(Value object, const ObjectReader& parent, std::string_view name,
                           std::size_t index)
    : object_(object), parent_(&parent), name_(name), index_(index), faults_(parent.faults_) {
  if (!object_.is_object()) note(pointer(), "must be an object");
}

bool ObjectReader::has(std::string_view name) {
  return present(name).has_value();
}

std::string ObjectReader::text(std::string_view name, TextRule rule) {
  const auto member = required(name);
  return member ? read_text(name, *member, rule) : std::string();
}

std::optional<std::string> ObjectReader::optional_text(std::string_view name, TextRule rule) {
  const auto member = present(name);
  return member ? std::optional(read_text(name, *member, rule)) : std::nullopt;
}

std::int64_t ObjectReader::integer(std::string_view name, IntegerRule rule) {
  const auto member = required(name);
  return member ? read_integer(name, *member, rule) : rule.min;
}

std::optional<std::int64_t> ObjectReader::optional_integer(std::string_view name,
                                                           IntegerRule rule) {
  const auto member = present(name);
  return member ? std::optional(read_integer(name, *member, rule)) : std::nullopt;
}

double ObjectReader::number(std::string_view name, NumberRule rule) {
  const auto member = required(name);
  return member ? read_number(name, *member, rule) : rule.min;
}

std::optional<double> ObjectReader::optional_number(std::string_view name, NumberRule rule) {
  const auto member = present(name);
  return member ? std::optional(read_number(name, *member, rule)) : std::nullopt;
}

bool ObjectReader::boolean(std::string_view name) {
  const auto member = required(name);
  return member && read_boolean(name, *member);
}

std::optional<bool> ObjectReader::optional_boolean(std::string_view name) {
  const auto member = present(name);
  return member ? std::optional(read_boolean(name, *member)) : std::nullopt;
}

Time ObjectReader::time(std::string_view name) {
  const auto member = required(name);
  return member ? read_time(name, *member) : Time{};
}

std::optional<Time> ObjectReader::optional_time(std::string_view name) {
  const auto member = present(name);
  return member ? std::optional(read_time(name, *member)) : std::nullopt;
}

std::vector<std::string> ObjectReader::texts(std::string_view name, std::size_t count_max,
                                             TextRule rule) {
  const auto member = required(name);
  return member ? read_texts(name, *member, count_max, rule) : std::vector<std::string>();
}

std::optional<std::vector<std::string>> ObjectReader::optional_texts(std::string_view name,
                                                                     std::size_t count_max,
                                                                     TextRule rule) {
  const auto member = present(name);
  return member ? std::optional(read_texts(name, *member, count_max, rule)) : std::nullopt;
}

std::vector<double> ObjectReader::numbers(std::string_view name, std::size_t count_max,
                                          NumberRule rule) {
  const auto member = required(name);
  return member ? read_numbers(name, *member, count_max, rule) : std::vector<double>();
}

std::optional<std::vector<std::int64_t>> ObjectReader::optional_integers(std::string_view name,
                                                                         std::size_t count_max,
                                                                         IntegerRule rule) {
  const auto member = present(name);
  return member ? std::optional(read_integers(name, *member, count_max, rule)) : std::nullopt;
}

std::optional<Value> ObjectReader::value(std::string_view name) {
  return required(name);
}

std::optional<Value> ObjectReader::optional_value(std::string_view name) {
  return lookup(name);
}

void ObjectReader::object(std::string_view name, const Read& read) {
  if (const auto member = required(name)) read_object(name, *member, read);
}

void ObjectReader::optional_object(std::string_view name, const Read& read) {
  if (const auto member = present(name)) read_object(name, *member, read);
}

void ObjectReader::objects(std::string_view name, std::size_t count_max, const Read& read) {
  if (const auto member = required(name)) read_objects(name, *member, count_max, read);
}

void ObjectReader::optional_objects(std::string_view name, std::size_t count_max,
                                    const Read& read) {
  if (const auto member = present(name)) read_objects(name, *member, count_max, read);
}

void ObjectReader::wrong(std::string_view name, std::string detail) {
  note(pointer() + '/' + pointer_escape(name), std::move(detail));
}

void ObjectReader::wrong(std::string_view name, std::size_t index, std::string detail) {
  note(fmt::format("{}/{}/{}", pointer(), pointer_escape(name), index), std::move(detail));
}

std::string ObjectReader::pointer() const {
  if (parent_ == nullptr) return {};
  std::string text = parent_->pointer() + '/' + pointer_escape(name_);
  if (index_ != no_index) text += '/' + std::to_string(index_);
  return text;
}

Result<void> ObjectReader::finish() {
  note_unknown_members();
  if (faults_.count == 0) return {};
  const std::string detail = faults_.count == 1 ? std::string("1 field is wrong")
                                                : fmt::format("{} fields are wrong", faults_.count);
  return fail(Error{ErrorCode::invalid_request, detail, std::move(faults_.first), {}});
}

std::optional<Value> ObjectReader::lookup(std::string_view name) {
  if (std::ranges::find(asked_, name) == asked_.end()) asked_.push_back(name);
  return object_.find(name);
}

std::optional<Value> ObjectReader::present(std::string_view name) {
  const auto member = lookup(name);
  return member && !member->is_null() ? member : std::nullopt;
}

std::optional<Value> ObjectReader::required(std::string_view name) {
  const auto member = lookup(name);
  // An object that is none was reported as a whole; its members need no faults of their own.
  if (!member && object_.is_object()) wrong(name, "is missing");
  return member;
}

void ObjectReader::note(std::string where, std::string detail) {
  ++faults_.count;
  if (faults_.first.size() >= faults_kept_max) return;
  faults_.first.push_back({FieldError::In::body, std::move(where), std::move(detail)});
}

void ObjectReader::note_unknown_members() {
  for (const Member member : object_.members()) {
    if (std::ranges::find(asked_, member.name) == asked_.end())
      wrong(member.name, "unknown member");
  }
}

std::string ObjectReader::read_text(std::string_view name, Value value, const TextRule& rule) {
  const auto text = value.as_string();
  std::string broken = text ? broken_rule(*text, rule) : "must be a string";
  if (broken.empty()) return std::string(*text);
  wrong(name, std::move(broken));
  return {};
}

std::int64_t ObjectReader::read_integer(std::string_view name, Value value,
                                        const IntegerRule& rule) {
  std::string broken = broken_rule(value, rule);
  if (broken.empty()) return *value.as_int64();
  wrong(name, std::move(broken));
  return rule.min;
}

double ObjectReader::read_number(std::string_view name, Value value, const NumberRule& rule) {
  std::string broken = broken_rule(value, rule);
  if (broken.empty()) return *value.as_double();
  wrong(name, std::move(broken));
  return rule.min;
}

bool ObjectReader::read_boolean(std::string_view name, Value value) {
  const auto truth = value.as_bool();
  if (!truth) wrong(name, "must be true or false");
  return truth.value_or(false);
}

Time ObjectReader::read_time(std::string_view name, Value value) {
  const auto text = value.as_string();
  const auto time = text ? parse_time(*text) : std::nullopt;
  if (!time) wrong(name, "must be an RFC 3339 time such as 2026-11-21T07:00:00.123Z");
  return time.value_or(Time{});
}

std::vector<std::string> ObjectReader::read_texts(std::string_view name, Value value,
                                                  std::size_t count_max, const TextRule& rule) {
  if (auto broken = broken_array(value, "strings", 0, count_max); !broken.empty()) {
    wrong(name, std::move(broken));
    return {};
  }
  std::vector<std::string> texts;
  for (const Value element : value.elements()) {
    const auto text = element.as_string();
    std::string broken = text ? broken_rule(*text, rule) : "must be a string";
    if (!broken.empty()) wrong(name, texts.size(), std::move(broken));
    texts.emplace_back(text.value_or(""));
  }
  return texts;
}

std::vector<double> ObjectReader::read_numbers(std::string_view name, Value value,
                                               std::size_t count_max, const NumberRule& rule) {
  if (auto broken = broken_array(value, "numbers", 1, count_max); !broken.empty()) {
    wrong(name, std::move(broken));
    return {};
  }
  std::vector<double> numbers;
  for (const Value element : value.elements()) {
    std::string broken = broken_rule(element, rule);
    if (!broken.empty()) wrong(name, numbers.size(), std::move(broken));
    numbers.push_back(element.as_double().value_or(rule.min));
  }
  return numbers;
}

std::vector<std::int64_t> ObjectReader::read_integers(std::string_view name, Value value,
                                                      std::size_t count_max,
                                                      const IntegerRule& rule) {
  if (auto broken = broken_array(value, "integers", 0, count_max); !broken.empty()) {
    wrong(name, std::move(broken));
    return {};
  }
  std::vector<std::int64_t> integers;
  for (const Value element : value.elements()) {
    std::string broken = broken_rule(element, rule);
    if (!broken.empty()) wrong(name, integers.size(), std::move(broken));
    integers.push_back(element.as_int64().value_or(rule.min));
  }
  return integers;
}

void ObjectReader::read_object(std::string_view name, Value value, const Read& read) {
  ObjectReader child(value, *this, name, no_index);
  read(child);
  child.note_unknown_members();
}

void ObjectReader::read_objects(std::string_view name, Value value, std::size_t count_max,
                                const Read& read) {
  if (auto broken = broken_array(value, "objects", 1, count_max); !broken.empty()) {
    return wrong(name, std::move(broken));
  }
  std::size_t index = 0;
  for (const Value element : value.elements()) {
    ObjectReader child(element, *this, name, index++);
    read(child);
    child.note_unknown_members();
  }
}

std::size_t ObjectReader::choose(std::string_view name, Value value,
                                 std::span<const std::string_view> names) {
  const auto text = value.as_string();
  const auto found = text ? std::ranges::find(names, *text) : names.end();
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  wrong(name, fmt::format("must be one of {}", fmt::join(names, ", ")));
  return 0;
}

}  // namespace schemas::json
