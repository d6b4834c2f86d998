#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/cel/program.h"
#include "schemas/json.h"

namespace schemas::cel {

/// JSON with expressions in its texts:
///
///   {"title": "${event.data.name}", "note": "was ${event.data.size} bytes", "kept": true}
///
/// A text that is one expression becomes what that comes to: texts, numbers, lists, maps; bytes as
/// base64, instants and durations as `string()` gives them. An optional without a value
/// (`${event.data.?size}`) is left out. Expressions within a text are its parts: texts, numbers,
/// booleans, instants, durations. `$${` stands for `${`. Names of members are as they are.
///
/// Immutable; any thread may evaluate. The same values give the same bytes.
class Template {
 public:
  /// An error is invalid_request; its detail names the place, as a JSON pointer.
  static Result<Template> compile(json::Value source, std::span<const std::string_view> variables);

  /// One value for each of the variables. An error (invalid_request) says where and why. `steps`
  /// are those that are left for all expressions, of this template and of others; they are taken.
  Result<std::string> evaluate(std::span<const Value> variables, Memory& memory,
                               std::size_t& steps) const;

  static constexpr std::size_t expressions_max = 200;
  static constexpr std::size_t bytes_max = std::size_t{1} << 20;             // of what it comes to
  static constexpr std::size_t constants_bytes_max = std::size_t{32} << 10;  // of one expression

 private:
  struct Part {
    std::string text;              // before the expression
    std::vector<Program> program;  // one, or none behind the last text
  };
  struct Node {
    json::Kind kind = json::Kind::null;
    std::string name;     // of a member
    std::string pointer;  // where it stands
    std::string literal;  // JSON; of what has no expressions
    std::vector<Part> parts;
    std::vector<Node> nodes;
    bool whole = false;  // a text that is one expression
  };
  struct Compiling;
  struct Evaluating;

  Node root_;
};

/// A value as JSON, as long as `out` has at most so many bytes then. Nothing is appended for what
/// has no form: errors, types, numbers that are not finite, maps in which two keys have the same
/// text.
enum class Appended : std::uint8_t { yes, no_form, too_large };
Appended append_json(std::string& out, Value value, std::size_t bytes_max);

}  // namespace schemas::cel
