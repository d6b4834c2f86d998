#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "schemas/cel/value.h"

namespace schemas::cel {

/// What one evaluation may take. A step is a node that is evaluated or an element that is looked
/// at; of a text 64 bytes are one.
struct Limits {
  std::size_t steps = 100'000;
  std::size_t bytes = std::size_t{1} << 20;  // of texts, lists and maps that are made
};

/// Where the texts, lists and maps of an evaluation live, and how much of its limits is left. Kept
/// from evaluation to evaluation, it allocates large values only. Of one thread.
class Memory {
 public:
  explicit Memory(Limits limits = {}) : limits_(limits), steps_(limits.steps) {}

  /// Forgets all values.
  void reset();

  /// Whether that many steps are left; they are taken. What is over stays over.
  bool spend(std::size_t steps) {
    if (steps > steps_) {
      steps_ = 0;
      exceeded_ = true;
      return false;
    }
    steps_ -= steps;
    return true;
  }
  /// For looking at as much text.
  bool spend_text(std::size_t bytes) { return spend(1 + bytes / 64); }
  bool exceeded() const { return exceeded_; }
  std::size_t spent() const { return limits_.steps - steps_; }

  /// A copy that lives as long; an error when the limit is reached, as of all that follow.
  Value string(std::string_view text) { return text_value(Kind::string, {&text, 1}); }
  Value bytes(std::string_view text) { return text_value(Kind::bytes, {&text, 1}); }
  Value error(std::string_view what) { return text_value(Kind::error, {&what, 1}); }
  Value concatenation(Kind kind, std::string_view first, std::string_view second);
  Value list(std::span<const Value> items);
  Value map(std::span<const Entry> entries);
  Value optional(Value inner);

  /// What an evaluation comes to that went over its limits.
  static Value over_limits();

 private:
  Value text_value(Kind kind, std::span<const std::string_view> parts);
  void* allocate(std::size_t bytes);  // null: over the limit
  template <typename T>
  const T* copy(std::span<const T> from);

  Limits limits_;
  std::size_t steps_;
  std::size_t bytes_ = 0;
  bool exceeded_ = false;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;  // of one size, kept
  std::vector<std::unique_ptr<std::byte[]>> large_;   // of one value each
  std::size_t block_ = 0;                             // the one that is filled
  std::size_t used_ = 0;                              // of it
};

}  // namespace schemas::cel
