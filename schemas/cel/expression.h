#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "schemas/cel/functions.h"
#include "schemas/cel/memory.h"
#include "schemas/cel/pattern.h"
#include "schemas/cel/syntax.h"
#include "schemas/cel/value.h"

namespace schemas::cel {

/// What is evaluated: names are slots, macros are operations of their own, literals are values.
struct Expression {
  enum class Operation : std::uint8_t {
    literal,
    variable,  // slot
    local,     // slot
    select,    // operands[0] . literal
    has,       // whether operands[0] has literal
    index,     // operands[0] [ operands[1] ]
    list,
    map,           // keys and values in turns
    call,          // function
    matches,       // operands[0] against pattern
    all_of,        // &&
    any_of,        // ||
    choice,        // _?_:_
    or_else,       // optional.or, orValue
    bind,          // slot = operands[0], then operands[1]
    map_optional,  // the same if operands[0] has a value; an optional
    map_flat,      // the same, of what is an optional
    // Over operands[0], with its elements in slot, or index and element in slot and the next:
    all,
    exists,
    exists_one,
    collect,          // a list of operands[1], of those for which operands[2] (if any) is true
    collect_values,   // a map with the same keys
    collect_entries,  // a map of the entries of maps
  };

  Operation operation = Operation::literal;
  bool optional = false;   // select and index: gives an optional; or_else: its value
  bool two_names = false;  // of a macro over a range
  std::uint32_t slot = 0;
  Value literal;
  const Function* function = nullptr;
  std::optional<Pattern> pattern;
  std::vector<Expression> operands;
  std::vector<bool> optionals;  // list and map: leaves out what has no value
};

/// Where an expression is evaluated.
struct Scope {
  std::span<const Value> variables;
  std::span<Value> locals;
  Memory& memory;
};

Value evaluate(const Expression& expression, Scope& scope);

struct Compiled {
  Expression root;
  std::size_t locals = 0;
};

/// Literals, and what is made of literals alone, live in `constants`.
Result<Compiled> compile(const Syntax& syntax, std::string_view source,
                         std::span<const std::string_view> variables, Memory& constants);

}  // namespace schemas::cel
