#include "schemas/cel/filter.h"

namespace schemas::cel {

Result<Filter> Filter::compile(std::string_view source) {
  static constexpr std::string_view variables[] = {"event"};
  auto program = Program::compile(source, variables);
  if (!program) return std::unexpected(std::move(program).error());
  return Filter(std::string(source), std::move(*program));
}

bool Filter::matches(json::Value event, Memory& memory) const {
  const Value values[] = {Value::of(event)};
  return program_.evaluate(values, memory).is_true();
}

}  // namespace schemas::cel
