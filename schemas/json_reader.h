#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/ids.h"
#include "schemas/json.h"

namespace schemas::json {

enum class ControlCharacters : std::uint8_t { refuse, allow };

/// What a text may be. Characters are code points.
struct TextRule {
  std::size_t characters_min = 1;
  std::size_t characters_max = 255;
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();
  ControlCharacters control_characters = ControlCharacters::refuse;
};

struct IntegerRule {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

struct NumberRule {
  double min = 0;
  double max = std::numeric_limits<double>::max();
};

/// Reads the members of a request's object and collects everything that is wrong with them, so that
/// a user learns of all mistakes at once.
///
///   ObjectReader reader(document->root());
///   CreateKey command{.name = reader.text("name"),
///                     .space = reader.choice<Space>("space", {{"live", Space::live}, …}),
///                     .expires_at = reader.optional_time("expires_at")};
///   if (auto read = reader.finish(); !read) return std::unexpected(std::move(read).error());
///
/// Each function notes a fault and returns an empty thing in its place when the member is missing
/// or wrong, so what was read counts only after finish() said yes. An optional member may be absent
/// or null. Members that nobody asked for are faults of their own. The document must outlive the
/// reader and the Values that it gave.
class ObjectReader {
 public:
  explicit ObjectReader(Value object);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  /// Whether the member is there and not null.
  bool has(std::string_view name);

  std::string text(std::string_view name, TextRule rule = {});
  std::optional<std::string> optional_text(std::string_view name, TextRule rule = {});

  std::int64_t integer(std::string_view name, IntegerRule rule = {});
  std::optional<std::int64_t> optional_integer(std::string_view name, IntegerRule rule = {});

  /// Integers are numbers too.
  double number(std::string_view name, NumberRule rule = {});
  std::optional<double> optional_number(std::string_view name, NumberRule rule = {});

  bool boolean(std::string_view name);
  std::optional<bool> optional_boolean(std::string_view name);

  Time time(std::string_view name);
  std::optional<Time> optional_time(std::string_view name);

  std::vector<std::string> texts(std::string_view name, std::size_t count_max, TextRule rule = {});
  std::optional<std::vector<std::string>> optional_texts(std::string_view name,
                                                         std::size_t count_max, TextRule rule = {});

  /// Arrays of 1 to `count_max` numbers, and of none to so many integers.
  std::vector<double> numbers(std::string_view name, std::size_t count_max, NumberRule rule = {});
  std::optional<std::vector<std::int64_t>> optional_integers(std::string_view name,
                                                             std::size_t count_max,
                                                             IntegerRule rule = {});

  /// Any value; an optional one may be null, which is then given as such.
  std::optional<Value> value(std::string_view name);
  std::optional<Value> optional_value(std::string_view name);

  /// One of the named things; the first of them stands in for a wrong one.
  template <typename T>
  T choice(std::string_view name, std::initializer_list<std::pair<std::string_view, T>> choices) {
    const auto member = required(name);
    const std::size_t index = member ? choose(name, *member, names_of(choices)) : 0;
    return std::data(choices)[index].second;
  }
  template <typename T>
  std::optional<T> optional_choice(std::string_view name,
                                   std::initializer_list<std::pair<std::string_view, T>> choices) {
    const auto member = present(name);
    if (!member) return std::nullopt;
    return std::data(choices)[choose(name, *member, names_of(choices))].second;
  }

  /// A member that is an object, read by `read`; its faults are collected here.
  using Read = std::function<void(ObjectReader&)>;
  void object(std::string_view name, const Read& read);
  void optional_object(std::string_view name, const Read& read);
  /// A member that is an array of 1 to `count_max` objects, each read by `read`.
  void objects(std::string_view name, std::size_t count_max, const Read& read);
  void optional_objects(std::string_view name, std::size_t count_max, const Read& read);

  /// A fault that only the caller can know, such as a text of the wrong form.
  void wrong(std::string_view name, std::string detail);
  /// The same of one element of a member that is an array.
  void wrong(std::string_view name, std::size_t index, std::string detail);

  /// Where this object stands in the request, as a JSON pointer.
  std::string pointer() const;

  /// Call last, on the outermost reader: invalid_request with a FieldError for each fault (the
  /// first 100 of them), or nothing.
  Result<void> finish();

 private:
  struct Faults {
    std::size_t count = 0;
    std::vector<FieldError> first;
  };

  ObjectReader(Value object, const ObjectReader& parent, std::string_view name, std::size_t index);

  std::optional<Value> lookup(std::string_view name);
  std::optional<Value> present(std::string_view name);
  std::optional<Value> required(std::string_view name);
  void note(std::string where, std::string detail);
  void note_unknown_members();

  std::string read_text(std::string_view name, Value value, const TextRule& rule);
  std::int64_t read_integer(std::string_view name, Value value, const IntegerRule& rule);
  double read_number(std::string_view name, Value value, const NumberRule& rule);
  std::vector<double> read_numbers(std::string_view name, Value value, std::size_t count_max,
                                   const NumberRule& rule);
  std::vector<std::int64_t> read_integers(std::string_view name, Value value, std::size_t count_max,
                                          const IntegerRule& rule);
  bool read_boolean(std::string_view name, Value value);
  Time read_time(std::string_view name, Value value);
  std::vector<std::string> read_texts(std::string_view name, Value value, std::size_t count_max,
                                      const TextRule& rule);
  void read_object(std::string_view name, Value value, const Read& read);
  void read_objects(std::string_view name, Value value, std::size_t count_max, const Read& read);
  std::size_t choose(std::string_view name, Value value, std::span<const std::string_view> names);

  template <typename T>
  static std::vector<std::string_view> names_of(
      std::initializer_list<std::pair<std::string_view, T>> choices) {
    std::vector<std::string_view> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    return names;
  }

  static constexpr std::size_t no_index = std::numeric_limits<std::size_t>::max();

  Value object_;
  const ObjectReader* parent_ = nullptr;  // null for the outermost
  std::string_view name_;                 // of this object in its parent
  std::size_t index_ = no_index;          // and in that member, when it is an array
  std::vector<std::string_view> asked_;
  Faults own_faults_;
  Faults& faults_;  // the outermost reader's
};

}  // namespace schemas::json
