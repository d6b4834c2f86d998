#include "schemas/cel/template.h"

#include <cmath>
#include <set>

#include <fmt/format.h>

#include "schemas/cel/text.h"
#include "schemas/crypto.h"
#include "schemas/json_writer.h"

namespace schemas::cel {
namespace {

std::unexpected<Error> wrong(std::string_view pointer, std::string_view what) {
  if (pointer.empty()) return fail(ErrorCode::invalid_request, std::string(what));
  return fail(ErrorCode::invalid_request, fmt::format("'{}' {}", pointer, what));
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Behind the text that begins at `at` with a quote (CEL's STRING_LIT); npos: it does not end.
std::size_t end_of_text(std::string_view text, std::size_t at) {
  std::size_t before = at;
  bool raw = false;
  while (before > 0 && is_letter(text[before - 1])) {
    --before;
    if (text[before] == 'r' || text[before] == 'R') raw = true;
  }
  if (at - before > 2) raw = false;  // a name, not a prefix
  const char quote = text[at];
  const std::string three(3, quote);
  const auto close = text.substr(at).starts_with(three) ? three : std::string(1, quote);
  for (std::size_t i = at + close.size(); i < text.size(); ++i) {
    if (text[i] == '\\' && !raw) {
      ++i;
    } else if (text.substr(i).starts_with(close)) {
      return i + close.size();
    }
  }
  return text.npos;
}

/// Where the brace stands that ends the expression which begins at `at`; npos: nowhere.
std::size_t end_of_expression(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = end_of_text(text, at);
      continue;
    }
    if (c == '{') ++depth;
    if (c == '}' && depth-- == 0) return at;
    ++at;
  }
  return text.npos;
}

}  // namespace

struct Template::Compiling {
  std::span<const std::string_view> variables;
  std::size_t expressions = 0;

  Result<Node> node(json::Value value, std::string name, const std::string& pointer) {
    Node node{.kind = value.kind(),
              .name = std::move(name),
              .pointer = pointer,
              .literal = {},
              .parts = {},
              .nodes = {}};
    if (value.is_string()) {
      auto read = text(node, *value.as_string());
      if (!read) return std::unexpected(std::move(read).error());
    } else if (value.is_array()) {
      std::size_t index = 0;
      for (const auto element : value.elements()) {
        auto made = this->node(element, {}, fmt::format("{}/{}", pointer, index++));
        if (!made) return made;
        node.nodes.push_back(std::move(*made));
      }
    } else if (value.is_object()) {
      for (const auto& [key, member] : value.members()) {
        auto made = this->node(member, std::string(key), pointer + '/' + json::pointer_escape(key));
        if (!made) return made;
        node.nodes.push_back(std::move(*made));
      }
    } else {
      node.literal = json::minify(value);
    }
    return node;
  }

  Result<void> text(Node& node, std::string_view text) {
    Part part;
    std::size_t at = 0;
    while (at < text.size()) {
      if (text.substr(at).starts_with("$${")) {
        part.text += "${";
        at += 3;
      } else if (text.substr(at).starts_with("${")) {
        const auto begin = at + 2;
        const auto end = end_of_expression(text, begin);
        if (end == text.npos) {
          return wrong(node.pointer, "has a ${ that no } ends; write $${ for the characters");
        }
        auto program =
            Program::compile(text.substr(begin, end - begin), variables, constants_bytes_max);
        if (!program) return wrong(node.pointer, program.error().detail);
        if (++expressions > expressions_max)
          return wrong(node.pointer, "is one expression too many; there may be 200");
        node.whole = part.text.empty() && node.parts.empty() && end + 1 == text.size();
        part.program.push_back(std::move(*program));
        node.parts.push_back(std::move(part));
        part = {};
        at = end + 1;
      } else {
        part.text += text[at++];
      }
    }
    if (node.parts.empty()) {
      json::append_string(node.literal, part.text);
    } else if (!part.text.empty()) {
      node.parts.push_back(std::move(part));
    }
    return {};
  }
};

struct Template::Evaluating {
  std::span<const Value> variables;
  Memory& memory;
  std::size_t& steps;
  std::string out;

  static std::unexpected<Error> too_large(const Node& node) {
    return wrong(node.pointer, "makes it larger than 1 MiB");
  }

  /// False: it is left out.
  Result<bool> append(const Node& node) {
    if (out.size() > bytes_max) return too_large(node);
    if (!node.literal.empty()) {
      out += node.literal;
      return true;
    }
    if (node.whole) return append_value(node);
    if (!node.parts.empty()) return append_parts(node);
    return append_nodes(node);
  }

  Result<bool> append_nodes(const Node& node) {
    const bool is_object = node.kind == json::Kind::object;
    out += is_object ? '{' : '[';
    bool first = true;
    for (const auto& each : node.nodes) {
      const auto before = out.size();
      if (!first) out += ',';
      if (is_object) {
        json::append_string(out, each.name);
        out += ':';
      }
      auto appended = append(each);
      if (!appended) return appended;
      if (*appended) first = false;
      if (!*appended) out.resize(before);
    }
    out += is_object ? '}' : ']';
    return true;
  }

  Result<Value> value_of(const Node& node, const Program& program) {
    const auto value = program.evaluate(variables, memory);
    if (memory.spent() > steps) {
      return wrong(node.pointer, "is too much work, with what was evaluated before");
    }
    steps -= memory.spent();
    if (value.is_error())
      return wrong(node.pointer, "comes to an error: " + std::string(value.text()));
    return value;
  }

  Result<bool> append_value(const Node& node) {
    auto value = value_of(node, node.parts.front().program.front());
    if (!value) return std::unexpected(std::move(value).error());
    if (value->kind() == Kind::optional && value->inner() == nullptr) return false;
    const auto shown = value->kind() == Kind::optional ? *value->inner() : *value;
    switch (append_json(out, shown, bytes_max)) {
      case Appended::yes:
        return true;
      case Appended::too_large:
        return too_large(node);
      case Appended::no_form:
        break;
    }
    return wrong(node.pointer,
                 fmt::format("comes to {}, which JSON has no form for", shown.type_name()));
  }

  Result<bool> append_parts(const Node& node) {
    std::string text;
    for (const auto& part : node.parts) {
      text += part.text;
      if (out.size() + text.size() > bytes_max) return too_large(node);
      if (part.program.empty()) continue;
      const auto value = value_of(node, part.program.front());
      if (!value) return std::unexpected(value.error());
      switch (value->kind()) {
        case Kind::string:
        case Kind::boolean:
        case Kind::integer:
        case Kind::unsigned_integer:
        case Kind::real:
        case Kind::timestamp:
        case Kind::duration:
          append_text(text, *value);
          break;
        default:
          return wrong(node.pointer, fmt::format("has {} in the middle of a text; string() and "
                                                 "join() make texts",
                                                 value->type_name()));
      }
    }
    json::append_string(out, text);
    return true;
  }
};

namespace {

Appended append_map(std::string& out, Value map, std::size_t bytes_max) {
  std::set<std::string> names;
  out += '{';
  for (Items i(map); i.has(); i.next()) {
    auto name = to_text(i.key());
    if (!names.empty()) out += ',';
    json::append_string(out, name);
    out += ':';
    if (!names.insert(std::move(name)).second) return Appended::no_form;
    const auto appended = append_json(out, i.value(), bytes_max);
    if (appended != Appended::yes) return appended;
  }
  out += '}';
  return Appended::yes;
}

Appended append_list(std::string& out, Value list, std::size_t bytes_max) {
  out += '[';
  bool first = true;
  for (Items i(list); i.has(); i.next()) {
    if (!std::exchange(first, false)) out += ',';
    const auto appended = append_json(out, i.value(), bytes_max);
    if (appended != Appended::yes) return appended;
  }
  out += ']';
  return Appended::yes;
}

Appended append_scalar(std::string& out, Value value) {
  json::Writer writer(out);
  switch (value.kind()) {
    case Kind::null:
      writer.null();
      return Appended::yes;
    case Kind::boolean:
      writer.value(value.as_boolean());
      return Appended::yes;
    case Kind::integer:
      writer.value(value.as_integer());
      return Appended::yes;
    case Kind::unsigned_integer:
      writer.value(value.as_unsigned());
      return Appended::yes;
    case Kind::real:
      if (!std::isfinite(value.as_real())) return Appended::no_form;
      writer.value(value.as_real());
      return Appended::yes;
    case Kind::string:
      writer.value(value.text());
      return Appended::yes;
    case Kind::bytes:
      writer.value(base64(bytes_of(value.text())));
      return Appended::yes;
    case Kind::timestamp:
    case Kind::duration:
      writer.value(to_text(value));
      return Appended::yes;
    default:
      return Appended::no_form;
  }
}

}  // namespace

/// Of a list that holds itself many times over each time counts: it is written so often.
Appended append_json(std::string& out, Value value, std::size_t bytes_max) {
  const auto before = out.size();
  auto appended = Appended::no_form;
  if (value.kind() == Kind::map) {
    appended = append_map(out, value, bytes_max);
  } else if (value.kind() == Kind::list) {
    appended = append_list(out, value, bytes_max);
  } else {
    appended = append_scalar(out, value);
  }
  if (appended == Appended::yes && out.size() > bytes_max) appended = Appended::too_large;
  if (appended != Appended::yes) out.resize(before);
  return appended;
}

Result<Template> Template::compile(json::Value source,
                                   std::span<const std::string_view> variables) {
  Compiling compiling{.variables = variables};
  auto root = compiling.node(source, {}, {});
  if (!root) return std::unexpected(std::move(root).error());
  Template made;
  made.root_ = std::move(*root);
  return made;
}

Result<std::string> Template::evaluate(std::span<const Value> variables, Memory& memory,
                                       std::size_t& steps) const {
  Evaluating evaluating{.variables = variables, .memory = memory, .steps = steps, .out = {}};
  auto appended = evaluating.append(root_);
  if (!appended) return std::unexpected(std::move(appended).error());
  if (!*appended) return std::string("null");
  if (evaluating.out.size() > bytes_max) return wrong("", "is larger than 1 MiB");
  return std::move(evaluating.out);
}

}  // namespace schemas::cel
