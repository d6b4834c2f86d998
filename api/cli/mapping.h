#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "schemas/result.h"

namespace api::cli {

/// How a line of JSON becomes a batch of events of a declared product, by a small JSON file;
/// tests/e2e/git_history/README.md describes it with an example. One thread.
class Mapping {
 public:
  /// What is wrong names the member.
  static schemas::Result<Mapping> parse(std::string_view text);
  ~Mapping();
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;

  const std::string& product() const;

  /// Appends the batch of one line, as a line of a bulk request, and returns how many events it
  /// has; 0: the line holds none, and nothing was appended. `default_key` is its idempotency key
  /// where the mapping has none.
  schemas::Result<std::uint32_t> append_batch(std::string_view line, std::string_view default_key,
                                              std::string& out) const;

 private:
  struct Impl;
  explicit Mapping(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace api::cli
