#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace api::cli {

/// What a check found wrong, each a text for people.
class Faults {
 public:
  void add(std::string text) {
    constexpr std::size_t kept_max = 100;
    if (count_++ < kept_max) texts_.push_back(std::move(text));
  }
  std::uint64_t count() const { return count_; }
  /// The first hundred.
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::uint64_t count_ = 0;
  std::vector<std::string> texts_;
};

}  // namespace api::cli
