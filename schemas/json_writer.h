#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/ids.h"
#include "schemas/json.h"

namespace schemas::json {

/// Appends JSON without white space to a string that outlives it, and puts the commas.
///
///   Writer writer(out);
///   writer.begin_object().member("id", id).name("tags").begin_array().value("a").end_array();
///   writer.end_object();
///
/// Texts must be valid UTF-8 (see valid_utf8). That begins and ends match and that members have a
/// name and a value is the caller's care; it is not checked here.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& name(std::string_view name);

  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(std::same_as<bool> auto truth) { return raw(truth ? "true" : "false"); }
  Writer& value(std::signed_integral auto number) { return integer(std::int64_t{number}); }
  Writer& value(std::unsigned_integral auto number)
    requires(!std::same_as<decltype(number), bool>)
  {
    return integer(std::uint64_t{number});
  }
  /// The shortest text that reads as the same double, with a point or an exponent. Must be finite.
  Writer& value(double number);
  Writer& value(Time time);
  Writer& value(Value value);
  template <typename T>
  Writer& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  Writer& null() { return raw("null"); }
  /// A text that is JSON already.
  Writer& raw(std::string_view json);

  template <typename T>
  Writer& member(std::string_view its_name, const T& its_value) {
    return name(its_name).value(its_value);
  }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  Writer& integer(std::int64_t number);
  Writer& integer(std::uint64_t number);
  void separate() {
    if (comma_) out_.push_back(',');
    comma_ = true;
  }

  std::string& out_;
  bool comma_ = false;  // whether the next value or name has something before it
};

/// A string value with its quotes; what must be escaped is, and nothing else.
void append_string(std::string& out, std::string_view text);
std::string quote(std::string_view text);

}  // namespace schemas::json
