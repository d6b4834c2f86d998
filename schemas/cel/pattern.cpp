#include "schemas/cel/pattern.h"

#include <re2/re2.h>

namespace schemas::cel {

struct Pattern::Impl {
  explicit Impl(std::string_view expression) : expression(expression, options()) {}

  static RE2::Options options() {
    // What one expression may take; thousands of them can be declared.
    constexpr std::int64_t memory_max = std::int64_t{128} << 10;
    RE2::Options options;
    options.set_max_mem(memory_max);
    options.set_log_errors(false);
    return options;
  }

  RE2 expression;
};

Result<Pattern> Pattern::compile(std::string_view expression) {
  auto impl = std::make_shared<const Impl>(expression);
  if (!impl->expression.ok()) {
    return fail(
        ErrorCode::invalid_request,
        "is no regular expression of RE2 (which has no look-around and no back references): " +
            impl->expression.error());
  }
  return Pattern(std::move(impl));
}

std::size_t Pattern::instructions() const {
  return static_cast<std::size_t>(impl_->expression.ProgramSize());
}

bool Pattern::found_in(std::string_view text) const {
  return RE2::PartialMatch(text, impl_->expression);
}

}  // namespace schemas::cel
