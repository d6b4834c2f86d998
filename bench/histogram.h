#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace bench {

/// Counts durations in buckets whose width grows with the value: 64 of them to every doubling, so a
/// value read back is at most 1.6 % too large. The idea is Gil Tene's HdrHistogram. Any duration
/// from a nanosecond to an hour; not thread-safe.
class Histogram {
 public:
  void add(std::chrono::nanoseconds duration) {
    auto value = static_cast<std::uint64_t>(duration.count() > 0 ? duration.count() : 0);
    if (value > largest_) largest_ = value;
    ++counts_[index_of(value)];
    ++total_;
  }

  std::uint64_t count() const { return total_; }
  std::chrono::nanoseconds largest() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(largest_));
  }

  /// The upper edge of the bucket under which this share of all values lies.
  std::chrono::nanoseconds at(double share) const {
    const auto wanted =
        static_cast<std::uint64_t>(std::llround(share * static_cast<double>(total_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted && seen > 0) {
        const auto edge = upper_edge(i) < largest_ ? upper_edge(i) : largest_;
        return std::chrono::nanoseconds(static_cast<std::int64_t>(edge));
      }
    }
    return largest();
  }

 private:
  static constexpr unsigned sub_bits = 6;
  static constexpr std::uint64_t sub_count = 1u << sub_bits;
  static constexpr unsigned doublings_max = 42 - sub_bits;  // 2^42 ns are over an hour

  static std::size_t index_of(std::uint64_t value) {
    if (value < sub_count) return value;
    unsigned doubling = static_cast<unsigned>(std::bit_width(value)) - 1 - sub_bits;
    if (doubling >= doublings_max) return (doublings_max + 1) * sub_count - 1;
    return (doubling + 1) * sub_count + ((value >> doubling) - sub_count);
  }
  static std::uint64_t upper_edge(std::size_t index) {
    if (index < sub_count) return index;
    const auto doubling = index / sub_count - 1;
    return ((index % sub_count + sub_count + 1) << doubling) - 1;
  }

  std::array<std::uint64_t, (doublings_max + 1) * sub_count> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace bench
