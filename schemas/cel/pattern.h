#pragma once

#include <memory>
#include <string_view>

#include "schemas/result.h"

namespace schemas::cel {

/// A regular expression in RE2's language: matching takes time in the length of the text, whatever
/// the expression says, so look-around and back references are no part of it. Text is UTF-8. A
/// value; any thread may ask it.
class Pattern {
 public:
  /// An error's detail says what is wrong with the expression.
  static Result<Pattern> compile(std::string_view expression);

  /// Whether the expression is found anywhere in the text.
  bool found_in(std::string_view text) const;

  /// How large it is compiled: what a byte of text may cost.
  std::size_t instructions() const;

 private:
  struct Impl;
  explicit Pattern(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;  // immutable, shared by the copies
};

}  // namespace schemas::cel
