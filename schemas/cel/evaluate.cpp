#include <array>
#include <vector>

#include "schemas/cel/expression.h"

namespace schemas::cel {
namespace {

using Operation = Expression::Operation;

Value no_such_key(Memory& memory, Value key) {
  if (key.kind() != Kind::string) return Value::error("no such key");
  return memory.concatenation(Kind::error, "no such key: ", key.text());
}

/// What `of` has under a key, nothing, or an error.
std::optional<Value> look_up(Value of, Value key, Memory& memory) {
  if (of.kind() == Kind::map) {
    return of.find(key, &memory);
  }
  if (of.kind() != Kind::list) return no_overload();
  std::int64_t index = 0;
  switch (key.kind()) {
    case Kind::integer:
      index = key.as_integer();
      break;
    case Kind::unsigned_integer:
    case Kind::real: {
      // A number that is no integer is no index; so is one that is out of range.
      if (compare(key, Value::integer(static_cast<std::int64_t>(of.size()))) != Order::less ||
          compare(key, Value::integer(0)) == Order::less) {
        return std::nullopt;
      }
      index = key.kind() == Kind::real ? static_cast<std::int64_t>(key.as_real())
                                       : static_cast<std::int64_t>(key.as_unsigned());
      if (!equal(key, Value::integer(index))) return Value::error("no such index");
      break;
    }
    default:
      return no_overload();
  }
  if (index < 0 || static_cast<std::size_t>(index) >= of.size()) return std::nullopt;
  if (!memory.spend(1 + static_cast<std::size_t>(index) / 8)) return Memory::over_limits();
  return of.at(static_cast<std::size_t>(index));
}

Value to_optional(std::optional<Value> found, Memory& memory) {
  if (!found) return Value::optional(nullptr);
  return found->is_error() ? *found : memory.optional(*found);
}

/// `of.key` and `of[key]`, and with a question mark.
Value access(Value of, Value key, bool is_field, bool optional, Memory& memory) {
  if (of.is_error()) return of;
  if (key.is_error()) return key;
  if (of.kind() == Kind::optional) {
    if (of.inner() == nullptr) return of;
    of = *of.inner();
    optional = true;
  }
  if (is_field && of.kind() != Kind::map) {
    return memory.concatenation(Kind::error, "has no fields: ", of.type_name());
  }
  const auto found = look_up(of, key, memory);
  if (optional) return to_optional(found, memory);
  if (found) return *found;
  return of.kind() == Kind::list ? Value::error("index out of bounds") : no_such_key(memory, key);
}

Value has(const Expression& expression, Scope& scope) {
  auto of = evaluate(expression.operands[0], scope);
  if (of.is_error()) return of;
  if (of.kind() == Kind::optional) {
    if (of.inner() == nullptr) return Value::boolean(false);
    of = *of.inner();
  }
  if (of.kind() != Kind::map) return no_overload();
  return Value::boolean(of.find(expression.literal, &scope.memory).has_value());
}

/// What an element with a question mark before it stands for; an error if it is no optional.
std::optional<Value> unwrap(Value value) {
  if (value.is_error()) return value;
  if (value.kind() != Kind::optional) return no_overload();
  return value.inner() != nullptr ? std::optional(*value.inner()) : std::nullopt;
}

Value make_list(const Expression& expression, Scope& scope) {
  std::vector<Value> items;
  items.reserve(expression.operands.size());
  for (std::size_t i = 0; i < expression.operands.size(); ++i) {
    auto item = std::optional(evaluate(expression.operands[i], scope));
    if (expression.optionals[i]) item = unwrap(*item);
    if (!item) continue;
    if (item->is_error()) return *item;
    items.push_back(*item);
  }
  return scope.memory.list(items);
}

bool is_key(Value value) {
  return value.kind() == Kind::boolean || value.kind() == Kind::integer ||
         value.kind() == Kind::unsigned_integer || value.kind() == Kind::string;
}

/// An error, or nothing.
std::optional<Value> add_entry(std::vector<Entry>& entries, Value key, Value value,
                               Memory& memory) {
  if (!is_key(key)) return Value::error("unsupported key type");
  for (const auto& entry : entries) {
    if (!memory.spend(1)) return Memory::over_limits();
    if (equal(entry.key, key, &memory)) return Value::error("a key twice in a map");
  }
  entries.push_back({key, value});
  return std::nullopt;
}

Value make_map(const Expression& expression, Scope& scope) {
  std::vector<Entry> entries;
  const auto& operands = expression.operands;
  for (std::size_t i = 0; i < operands.size(); i += 2) {
    const auto key = evaluate(operands[i], scope);
    if (key.is_error()) return key;
    auto value = std::optional(evaluate(operands[i + 1], scope));
    if (expression.optionals[i / 2]) value = unwrap(*value);
    if (!value) continue;
    if (value->is_error()) return *value;
    if (const auto error = add_entry(entries, key, *value, scope.memory)) return *error;
  }
  return scope.memory.map(entries);
}

Value call(const Expression& expression, Scope& scope) {
  constexpr std::size_t few = 4;
  const auto& operands = expression.operands;
  std::array<Value, few> on_stack;
  std::vector<Value> many;
  std::span<Value> arguments(on_stack.data(), std::min(few, operands.size()));
  if (operands.size() > few) {
    many.resize(operands.size());
    arguments = many;
  }
  for (std::size_t i = 0; i < operands.size(); ++i) {
    arguments[i] = evaluate(operands[i], scope);
    if (arguments[i].is_error()) return arguments[i];
    const bool is_text = arguments[i].kind() == Kind::string || arguments[i].kind() == Kind::bytes;
    if (is_text && expression.function->reads_texts &&
        !scope.memory.spend_text(arguments[i].size())) {
      return Memory::over_limits();
    }
  }
  return expression.function->call(scope.memory, arguments);
}

Value matches(const Expression& expression, Scope& scope) {
  const auto text = evaluate(expression.operands[0], scope);
  if (text.is_error()) return text;
  if (text.kind() != Kind::string) return no_overload();
  // In the worst case every byte is held against every instruction of the pattern.
  const auto work = text.size() * expression.pattern->instructions() / 256;
  if (!scope.memory.spend(1 + work)) return Memory::over_limits();
  return Value::boolean(expression.pattern->found_in(text.text()));
}

/// && and ||: one operand that decides does so whatever the others are, even errors.
class Junction {
 public:
  explicit Junction(bool decisive) : decisive_(decisive) {}

  /// Whether it is decided.
  bool take(Value value) {
    if (value.kind() == Kind::boolean) return value.as_boolean() == decisive_;
    if (!fault_) fault_ = value.is_error() ? value : no_overload();
    return false;
  }
  Value decided() const { return Value::boolean(decisive_); }
  Value undecided() const { return fault_ ? *fault_ : Value::boolean(!decisive_); }

 private:
  bool decisive_;
  std::optional<Value> fault_;
};

Value junction(const Expression& expression, Scope& scope) {
  Junction junction(expression.operation == Operation::any_of);
  for (const auto& operand : expression.operands) {
    if (junction.take(evaluate(operand, scope))) return junction.decided();
  }
  return junction.undecided();
}

Value choice(const Expression& expression, Scope& scope) {
  const auto condition = evaluate(expression.operands[0], scope);
  if (condition.is_error()) return condition;
  if (condition.kind() != Kind::boolean) return no_overload();
  return evaluate(expression.operands[condition.as_boolean() ? 1 : 2], scope);
}

Value or_else(const Expression& expression, Scope& scope) {
  const auto first = evaluate(expression.operands[0], scope);
  if (first.is_error()) return first;
  if (first.kind() != Kind::optional) return no_overload();
  const bool wants_value = expression.optional;
  if (first.inner() != nullptr) return wants_value ? *first.inner() : first;
  const auto second = evaluate(expression.operands[1], scope);
  if (second.is_error() || wants_value || second.kind() == Kind::optional) return second;
  return no_overload();
}

Value bind(const Expression& expression, Scope& scope) {
  auto value = evaluate(expression.operands[0], scope);
  if (value.is_error()) return value;
  const bool of_optional = expression.operation != Operation::bind;
  if (of_optional) {
    if (value.kind() != Kind::optional) return no_overload();
    if (value.inner() == nullptr) return value;
    value = *value.inner();
  }
  scope.locals[expression.slot] = value;
  const auto result = evaluate(expression.operands[1], scope);
  if (!of_optional || result.is_error()) return result;
  if (expression.operation == Operation::map_optional) return scope.memory.optional(result);
  return result.kind() == Kind::optional ? result : no_overload();
}

/// Walks the range of a macro. `visit` is told the key of each element, with the macro's names set,
/// and goes on while it says true. What is wrong with the range, if anything.
template <typename Visit>
std::optional<Value> walk(const Expression& expression, Scope& scope, Visit visit) {
  const auto range = evaluate(expression.operands[0], scope);
  if (range.is_error()) return range;
  if (range.kind() != Kind::list && range.kind() != Kind::map) return no_overload();
  const bool element_first = !expression.two_names && range.kind() == Kind::list;
  for (Items i(range); i.has(); i.next()) {
    if (!scope.memory.spend(1)) return Memory::over_limits();
    scope.locals[expression.slot] = element_first ? i.value() : i.key();
    if (expression.two_names) scope.locals[expression.slot + 1] = i.value();
    if (!visit(i.key())) break;
  }
  return std::nullopt;
}

Value quantify(const Expression& expression, Scope& scope) {
  Junction junction(expression.operation == Operation::exists);
  bool decided = false;
  const auto fault = walk(expression, scope, [&](Value) {
    decided = junction.take(evaluate(expression.operands[1], scope));
    return !decided;
  });
  if (fault) return *fault;
  return decided ? junction.decided() : junction.undecided();
}

Value exists_one(const Expression& expression, Scope& scope) {
  std::size_t count = 0;
  std::optional<Value> wrong;
  const auto fault = walk(expression, scope, [&](Value) {
    const auto value = evaluate(expression.operands[1], scope);
    if (value.kind() != Kind::boolean) wrong = value.is_error() ? value : no_overload();
    if (value.is_true()) ++count;
    return !wrong;
  });
  if (fault) return *fault;
  return wrong ? *wrong : Value::boolean(count == 1);
}

/// Of each element that the condition, if there is one, takes: its key and what it becomes. An
/// error of `take` ends it.
template <typename Take>
std::optional<Value> transform(const Expression& expression, Scope& scope, Take take) {
  std::optional<Value> wrong;
  const auto fault = walk(expression, scope, [&](Value key) {
    if (expression.operands.size() > 2) {
      const auto wanted = evaluate(expression.operands[2], scope);
      if (wanted.kind() != Kind::boolean) wrong = wanted.is_error() ? wanted : no_overload();
      if (!wanted.is_true()) return !wrong;
    }
    const auto value = evaluate(expression.operands[1], scope);
    wrong = value.is_error() ? value : take(key, value);
    return !wrong;
  });
  return fault ? fault : wrong;
}

Value collect(const Expression& expression, Scope& scope) {
  std::vector<Value> items;
  const auto wrong = transform(expression, scope, [&](Value, Value value) {
    items.push_back(value);
    return std::optional<Value>();
  });
  return wrong ? *wrong : scope.memory.list(items);
}

Value collect_map(const Expression& expression, Scope& scope) {
  std::vector<Entry> entries;
  auto& memory = scope.memory;
  const auto wrong = transform(expression, scope, [&](Value key, Value value) {
    if (expression.operation == Operation::collect_values)
      return add_entry(entries, key, value, memory);
    if (value.kind() != Kind::map) return std::optional(no_overload());
    for (Items i(value); i.has(); i.next()) {
      if (const auto error = add_entry(entries, i.key(), i.value(), memory)) return error;
    }
    return std::optional<Value>();
  });
  return wrong ? *wrong : memory.map(entries);
}

}  // namespace

Value evaluate(const Expression& expression, Scope& scope) {
  if (!scope.memory.spend(1)) return Memory::over_limits();
  switch (expression.operation) {
    case Operation::literal:
      return expression.literal;
    case Operation::variable:
      return scope.variables[expression.slot];
    case Operation::local:
      return scope.locals[expression.slot];
    case Operation::select:
      return access(evaluate(expression.operands[0], scope), expression.literal, true,
                    expression.optional, scope.memory);
    case Operation::has:
      return has(expression, scope);
    case Operation::index: {
      const auto of = evaluate(expression.operands[0], scope);
      return access(of, evaluate(expression.operands[1], scope), false, expression.optional,
                    scope.memory);
    }
    case Operation::list:
      return make_list(expression, scope);
    case Operation::map:
      return make_map(expression, scope);
    case Operation::call:
      return call(expression, scope);
    case Operation::matches:
      return matches(expression, scope);
    case Operation::all_of:
    case Operation::any_of:
      return junction(expression, scope);
    case Operation::choice:
      return choice(expression, scope);
    case Operation::or_else:
      return or_else(expression, scope);
    case Operation::bind:
    case Operation::map_optional:
    case Operation::map_flat:
      return bind(expression, scope);
    case Operation::all:
    case Operation::exists:
      return quantify(expression, scope);
    case Operation::exists_one:
      return exists_one(expression, scope);
    case Operation::collect:
      return collect(expression, scope);
    case Operation::collect_values:
    case Operation::collect_entries:
      return collect_map(expression, scope);
  }
  return no_overload();
}

}  // namespace schemas::cel
