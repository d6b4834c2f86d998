#include "schemas/cel/program.h"

#include <array>
#include <vector>

#include "schemas/cel/expression.h"

namespace schemas::cel {

struct Program::Impl {
  explicit Impl(std::size_t bytes) : constants({.steps = 20'000, .bytes = bytes}) {}
  Memory constants;
  Compiled compiled;
};

Result<Program> Program::compile(std::string_view source,
                                 std::span<const std::string_view> variables,
                                 std::size_t constants_bytes_max) {
  auto syntax = parse(source);
  if (!syntax) return std::unexpected(std::move(syntax).error());
  auto impl = std::make_shared<Impl>(constants_bytes_max);
  auto compiled = cel::compile(**syntax, source, variables, impl->constants);
  if (!compiled) return std::unexpected(std::move(compiled).error());
  impl->compiled = std::move(*compiled);
  return Program(std::move(impl));
}

std::optional<Value> Program::constant() const {
  const auto& root = impl_->compiled.root;
  if (root.operation != Expression::Operation::literal) return std::nullopt;
  return root.literal;
}

Value Program::evaluate(std::span<const Value> variables, Memory& memory) const {
  memory.reset();
  constexpr std::size_t few = 8;
  std::array<Value, few> on_stack;
  std::vector<Value> many;
  std::span<Value> locals(on_stack);
  if (impl_->compiled.locals > few) {
    many.resize(impl_->compiled.locals);
    locals = many;
  }
  Scope scope{.variables = variables, .locals = locals, .memory = memory};
  const auto result = cel::evaluate(impl_->compiled.root, scope);
  return memory.exceeded() ? Memory::over_limits() : result;
}

}  // namespace schemas::cel
