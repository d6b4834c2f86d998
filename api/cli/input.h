#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/result.h"

namespace api::cli {

/// Lines of a file or of stdin, as they are or compressed by zstd (told by its first bytes), read
/// piece by piece. One thread.
///
///     while (auto line = input.next()) { … }        what is here already
///     if (!input.ended()) input.fill();             reads more; blocks until there is some
class LineInput {
 public:
  struct Line {
    std::uint64_t number;   // from 1
    std::string_view text;  // until the next call of `fill`
  };

  /// `-` is stdin.
  static schemas::Result<LineInput> open(const std::string& path);
  ~LineInput();
  LineInput(LineInput&&) noexcept;
  LineInput& operator=(LineInput&&) = delete;

  /// The next whole line, without its end, that was read already.
  std::optional<Line> next();
  schemas::Result<void> fill();
  bool ended() const;

  /// Whether `fill` can wait for somebody, as at a pipe or a terminal. Then wait until this
  /// descriptor, which is the caller's to close, can be read first. It is one of its own, because
  /// whoever waits for it makes it non-blocking.
  bool may_wait() const;
  int descriptor_to_wait_for() const;

  /// How much of the file was read; empty when its size is not known.
  std::optional<double> fraction() const;

  static constexpr std::size_t line_bytes_max = std::size_t{64} << 20;

 private:
  struct Impl;
  explicit LineInput(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace api::cli
