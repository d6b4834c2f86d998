#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "schemas/cel/expression.h"

namespace schemas::cel {
namespace {

using Operation = Expression::Operation;

constexpr auto types = std::to_array<std::string_view>(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint",
     "optional_type", "google.protobuf.Timestamp", "google.protobuf.Duration"});

/// A macro that walks a range: with one name in front of its other arguments, or with two.
struct RangeMacro {
  std::string_view name;
  Operation operation;
  std::size_t names;
  std::size_t arguments;  // beside the names
};
constexpr auto range_macros = std::to_array<RangeMacro>({
    {"all", Operation::all, 1, 1},
    {"all", Operation::all, 2, 1},
    {"exists", Operation::exists, 1, 1},
    {"exists", Operation::exists, 2, 1},
    {"exists_one", Operation::exists_one, 1, 1},
    {"exists_one", Operation::exists_one, 2, 1},
    {"existsOne", Operation::exists_one, 1, 1},
    {"existsOne", Operation::exists_one, 2, 1},
    {"filter", Operation::collect, 1, 1},
    {"map", Operation::collect, 1, 1},
    {"map", Operation::collect, 1, 2},
    {"transformList", Operation::collect, 2, 1},
    {"transformList", Operation::collect, 2, 2},
    {"transformMap", Operation::collect_values, 2, 1},
    {"transformMap", Operation::collect_values, 2, 2},
    {"transformMapEntry", Operation::collect_entries, 2, 1},
    {"transformMapEntry", Operation::collect_entries, 2, 2},
});

class Compiler {
 public:
  Compiler(std::string_view source, std::span<const std::string_view> variables, Memory& constants)
      : source_(source), variables_(variables), constants_(constants) {}

  Result<Compiled> compile(const Syntax& syntax) {
    auto root = expression(syntax);
    if (fault_) return std::unexpected(std::move(*fault_));
    return Compiled{.root = std::move(root), .locals = locals_max_};
  }

 private:
  Expression fault(const Syntax& syntax, std::string_view what) {
    if (!fault_) fault_ = fault_at(source_, syntax.at, what);
    return {};
  }

  static Expression literal(Value value) {
    Expression made;
    made.literal = value;
    return made;
  }

  Expression expression(const Syntax& syntax) {
    if (fault_) return {};
    auto made = operation(syntax);
    if (constants_.exceeded()) return fault(syntax, "takes too much, though it is constant");
    return made;
  }

  Expression operation(const Syntax& syntax) {
    switch (syntax.kind) {
      case Syntax::Kind::null:
        return literal(Value::null());
      case Syntax::Kind::boolean:
        return literal(Value::boolean(syntax.integer != 0));
      case Syntax::Kind::integer:
        return literal(Value::integer(syntax.integer));
      case Syntax::Kind::unsigned_integer:
        return literal(Value::unsigned_integer(static_cast<std::uint64_t>(syntax.integer)));
      case Syntax::Kind::real:
        return literal(Value::real(syntax.real));
      case Syntax::Kind::string:
        return literal(constants_.string(syntax.text));
      case Syntax::Kind::bytes:
        return literal(constants_.bytes(syntax.text));
      case Syntax::Kind::identifier:
        return name(syntax);
      case Syntax::Kind::select:
        return select(syntax);
      case Syntax::Kind::call:
        return syntax.has_receiver ? method(syntax) : call(syntax);
      case Syntax::Kind::index:
        return parts(Operation::index, syntax);
      case Syntax::Kind::list:
        return fold(parts(Operation::list, syntax));
      case Syntax::Kind::map:
        return fold(parts(Operation::map, syntax));
    }
    return {};
  }

  Expression parts(Operation operation, const Syntax& syntax) {
    Expression made;
    made.operation = operation;
    made.optional = syntax.optional;
    made.optionals = syntax.optionals;
    made.operands.reserve(syntax.operands.size());
    for (const auto& operand : syntax.operands) made.operands.push_back(expression(*operand));
    return made;
  }

  /// What is made of literals alone is made once, unless it is an error: that may never be asked.
  Expression fold(Expression made) {
    const auto is_literal = [](const Expression& operand) {
      return operand.operation == Operation::literal;
    };
    if (fault_ || !std::ranges::all_of(made.operands, is_literal)) return made;
    Scope nothing{.variables = {}, .locals = {}, .memory = constants_};
    const auto value = evaluate(made, nothing);
    return value.is_error() ? std::move(made) : literal(value);
  }

  // ---- names ----

  struct Local {
    std::string_view name;
    std::uint32_t slot;
  };

  std::optional<std::uint32_t> local(std::string_view name) const {
    const auto found = std::ranges::find(locals_.rbegin(), locals_.rend(), name, &Local::name);
    return found != locals_.rend() ? std::optional(found->slot) : std::nullopt;
  }

  /// `a.b.c` as written, if it is names all through and the first is no local.
  std::optional<std::string> dotted(const Syntax& syntax) const {
    if (syntax.kind == Syntax::Kind::identifier) {
      const bool is_local = !syntax.of_root && local(syntax.text);
      return is_local ? std::nullopt : std::optional(syntax.text);
    }
    if (syntax.kind != Syntax::Kind::select || syntax.optional) return std::nullopt;
    auto front = dotted(*syntax.operands[0]);
    return front ? std::optional(*front + "." + syntax.text) : std::nullopt;
  }

  std::optional<Expression> variable(std::string_view name) const {
    const auto found = std::ranges::find(variables_, name);
    if (found != variables_.end()) {
      Expression made;
      made.operation = Operation::variable;
      made.slot = static_cast<std::uint32_t>(found - variables_.begin());
      return made;
    }
    const auto type = std::ranges::find(types, name);
    return type != types.end() ? std::optional(literal(Value::type(*type))) : std::nullopt;
  }

  Expression name(const Syntax& syntax) {
    if (const auto slot = syntax.of_root ? std::nullopt : local(syntax.text)) {
      Expression made;
      made.operation = Operation::local;
      made.slot = *slot;
      return made;
    }
    if (auto made = variable(syntax.text)) return std::move(*made);
    return fault(syntax,
                 fmt::format("nothing is called '{}'; there {} {}", syntax.text,
                             variables_.size() == 1 ? "is" : "are", fmt::join(variables_, ", ")));
  }

  Expression select(const Syntax& syntax) {
    if (const auto whole = dotted(syntax)) {
      if (auto made = variable(*whole)) return std::move(*made);
    }
    auto made = parts(Operation::select, syntax);
    made.literal = constants_.string(syntax.text);
    return made;
  }

  // ---- calls ----

  Expression call(const Syntax& syntax) {
    const auto& name = syntax.text;
    if (name == "_&&_") return parts(Operation::all_of, syntax);
    if (name == "_||_") return parts(Operation::any_of, syntax);
    if (name == "_?_:_") return parts(Operation::choice, syntax);
    if (name == "has") return has(syntax);
    if (name == "matches" && syntax.operands.size() == 2) {
      return matches(syntax, *syntax.operands[0], *syntax.operands[1]);
    }
    return function(syntax, name, false, syntax.operands);
  }

  Expression method(const Syntax& syntax) {
    const auto front = dotted(*syntax.operands[0]);
    const std::span arguments(syntax.operands.begin() + 1, syntax.operands.end());
    if (front && !variable(*front)) {
      const auto name = fmt::format("{}.{}", *front, syntax.text);
      if (name == "cel.bind") return bind(syntax, Operation::bind, arguments);
      if (find_function(name, false) != nullptr) return function(syntax, name, false, arguments);
    }
    const auto is_named = [&](const RangeMacro& macro) {
      return macro.name == syntax.text && macro.names + macro.arguments == arguments.size();
    };
    const auto macro = std::ranges::find_if(range_macros, is_named);
    if (macro != range_macros.end()) return range(syntax, *macro);
    const auto& name = syntax.text;
    const auto other = std::ranges::find(range_macros, name, &RangeMacro::name);
    if (other != range_macros.end()) {
      return fault(syntax, fmt::format("'{}' takes {} and an expression over {}", name,
                                       other->names == 1 ? "a name" : "two names",
                                       other->names == 1 ? "it" : "them"));
    }
    if (name == "matches" && arguments.size() == 1) {
      return matches(syntax, *syntax.operands[0], *arguments[0]);
    }
    if (name == "optMap") return bind_optional(syntax, Operation::map_optional);
    if (name == "optFlatMap") return bind_optional(syntax, Operation::map_flat);
    if ((name == "or" || name == "orValue") && arguments.size() == 1) {
      auto made = parts(Operation::or_else, syntax);
      made.optional = name == "orValue";
      return made;
    }
    return function(syntax, name, true, syntax.operands);
  }

  Expression function(const Syntax& syntax, std::string_view name, bool has_receiver,
                      std::span<const SyntaxNode> operands) {
    const auto* found = find_function(name, has_receiver);
    if (found == nullptr) {
      const bool otherwise = find_function(name, !has_receiver) != nullptr;
      return fault(syntax,
                   fmt::format("there is no {} '{}'{}", has_receiver ? "method" : "function", name,
                               !otherwise     ? ""
                               : has_receiver ? ", but a function of that name"
                                              : ", but a method of that name"));
    }
    const auto count = operands.size();
    if (count < found->arguments_min ||
        (found->arguments_max != any_number && count > found->arguments_max)) {
      return fault(syntax, fmt::format("'{}' is not called with {} arguments", name,
                                       count - (has_receiver ? 1 : 0)));
    }
    Expression made;
    made.operation = Operation::call;
    made.function = found;
    for (const auto& operand : operands) made.operands.push_back(expression(*operand));
    return fold(std::move(made));
  }

  /// A pattern is compiled here and once: compiling costs more than most expressions.
  Expression matches(const Syntax& syntax, const Syntax& text, const Syntax& pattern) {
    constexpr std::size_t patterns_max = 16;
    constexpr std::size_t bytes_max = 1'024;
    const auto written = expression(pattern);
    if (fault_) return {};
    if (written.operation != Operation::literal || written.literal.kind() != Kind::string) {
      return fault(syntax, "matches() takes a text that is written here, no other");
    }
    pattern_bytes_ += written.literal.size();
    if (++patterns_ > patterns_max || pattern_bytes_ > bytes_max) {
      return fault(syntax, fmt::format("is too much: {} regular expressions and {} bytes of them "
                                       "in all are allowed",
                                       patterns_max, bytes_max));
    }
    auto compiled = Pattern::compile(written.literal.text());
    if (!compiled) return fault(syntax, compiled.error().detail);
    Expression made;
    made.operation = Operation::matches;
    made.pattern = std::move(*compiled);
    made.operands.push_back(expression(text));
    return made;
  }

  // ---- macros ----

  Expression has(const Syntax& syntax) {
    const bool is_field =
        syntax.operands.size() == 1 && syntax.operands[0]->kind == Syntax::Kind::select;
    if (!is_field) return fault(syntax, "has() takes one field, such as has(event.data.name)");
    const auto& field = *syntax.operands[0];
    auto made = parts(Operation::has, field);
    made.literal = constants_.string(field.text);
    return made;
  }

  /// Makes a name known for what `body` compiles.
  template <typename Body>
  Expression with_names(std::span<const std::string_view> names, Body body) {
    const auto before = locals_.size();
    for (const auto name : names) {
      locals_.push_back({name, static_cast<std::uint32_t>(locals_.size())});
    }
    locals_max_ = std::max(locals_max_, locals_.size());
    auto made = body();
    locals_.resize(before);
    return made;
  }

  std::string_view name_of(const Syntax& syntax) {
    if (syntax.kind == Syntax::Kind::identifier) return syntax.text;
    fault(syntax, "a name is expected here, which the rest can use");
    return {};
  }

  /// `operands`: a name, what it stands for, and where.
  Expression bind(const Syntax& syntax, Operation operation, std::span<const SyntaxNode> operands) {
    if (operands.size() != 3) return fault(syntax, "takes a name, its value, and an expression");
    return bind(operation, *operands[1], *operands[0], *operands[2]);
  }

  Expression bind_optional(const Syntax& syntax, Operation operation) {
    if (syntax.operands.size() != 3) return fault(syntax, "takes a name and an expression");
    return bind(operation, *syntax.operands[0], *syntax.operands[1], *syntax.operands[2]);
  }

  Expression bind(Operation operation, const Syntax& value, const Syntax& name,
                  const Syntax& body) {
    Expression made;
    made.operation = operation;
    made.slot = static_cast<std::uint32_t>(locals_.size());
    made.operands.push_back(expression(value));
    const std::array names{name_of(name)};
    made.operands.push_back(with_names(names, [&] { return expression(body); }));
    return made;
  }

  Expression range(const Syntax& syntax, const RangeMacro& macro) {
    Expression made;
    made.operation = macro.operation;
    made.two_names = macro.names == 2;
    made.operands.push_back(expression(*syntax.operands[0]));
    made.slot = static_cast<std::uint32_t>(locals_.size());
    std::array<std::string_view, 2> names;
    for (std::size_t i = 0; i < macro.names; ++i) names[i] = name_of(*syntax.operands[i + 1]);
    if (made.two_names && names[0] == names[1]) {
      return fault(*syntax.operands[2], "two names are needed here");
    }
    const auto body = std::span(syntax.operands).subspan(1 + macro.names);
    return with_names(std::span(names).first(macro.names), [&] {
      // The last argument says what is made, one before it what is taken; filter takes only.
      const bool only_filters = macro.name == "filter";
      made.operands.push_back(only_filters ? expression(*syntax.operands[1])
                                           : expression(*body.back()));
      if (only_filters || body.size() > 1) made.operands.push_back(expression(*body.front()));
      return std::move(made);
    });
  }

  std::string_view source_;
  std::span<const std::string_view> variables_;
  Memory& constants_;
  std::vector<Local> locals_;
  std::size_t locals_max_ = 0;
  std::size_t patterns_ = 0;
  std::size_t pattern_bytes_ = 0;
  std::optional<Error> fault_;
};

}  // namespace

Result<Compiled> compile(const Syntax& syntax, std::string_view source,
                         std::span<const std::string_view> variables, Memory& constants) {
  return Compiler(source, variables, constants).compile(syntax);
}

}  // namespace schemas::cel
