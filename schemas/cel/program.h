#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "schemas/cel/memory.h"
#include "schemas/cel/value.h"
#include "schemas/result.h"

namespace schemas::cel {

/// An expression of CEL (github.com/google/cel-spec) that can be evaluated: without messages,
/// without checking of types beforehand, with the macros and cel-go's extensions that README.md
/// names. The same values give the same result, on every machine and at any time. Immutable; copies
/// share it; any thread may evaluate.
class Program {
 public:
  /// Names may have dots: of `a.b` and `a`, `a.b.c` is the field c of the first. An error is
  /// invalid_request; its detail says what is wrong and at which character.
  static Result<Program> compile(std::string_view source,
                                 std::span<const std::string_view> variables,
                                 std::size_t constants_bytes_max = std::size_t{256} << 10);

  /// One value for each of the variables, in their order. The result lives in `memory`, which
  /// forgets what it held, and in the values; it is an error if there is no other.
  Value evaluate(std::span<const Value> variables, Memory& memory) const;

  /// What it comes to if that is known without any values. Lives as long as the program.
  std::optional<Value> constant() const;

 private:
  struct Impl;
  explicit Program(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace schemas::cel
