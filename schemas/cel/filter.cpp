#include "schemas/cel/filter.h"

#include <fmt/format.h>

namespace schemas::cel {

Result<Filter> Filter::compile(std::string_view source) {
  static constexpr std::string_view variables[] = {"event"};
  auto program = Program::compile(source, variables);
  if (!program) return std::unexpected(std::move(program).error());
  const auto constant = program->constant();
  if (constant && constant->kind() != Kind::boolean) {
    return fail(ErrorCode::invalid_request,
                fmt::format("is {} whatever the event is; a filter comes to true or false",
                            constant->type_name()));
  }
  return Filter(std::string(source), std::move(*program));
}

bool Filter::matches(json::Value event, Memory& memory) const {
  const Value values[] = {Value::of(event)};
  return program_.evaluate(values, memory).is_true();
}

}  // namespace schemas::cel
