#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

/// Small binary forms of our own: little-endian numbers and bytes, one behind the other.
namespace schemas {

static_assert(std::endian::native == std::endian::little, "packed numbers are little-endian");

template <typename T>
concept Packable = std::is_arithmetic_v<T> || std::is_enum_v<T>;

/// One number at a place that the caller knows to be there.
template <Packable T>
void put(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}
template <Packable T>
T get(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

class Packer {
 public:
  explicit Packer(std::size_t size_expected) { bytes_.reserve(size_expected); }
  template <Packable T>
  void put(T value) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void put(std::span<const std::uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  std::vector<std::uint8_t> take() && { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// Reads what a Packer wrote, from foreign bytes. Beyond the end it gives zeros and is no longer
/// ok().
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  template <Packable T>
  T get() {
    T value{};
    const auto bytes = take(sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  template <std::size_t size>
  std::array<std::uint8_t, size> get_array() {
    std::array<std::uint8_t, size> value{};
    const auto bytes = take(size);
    if (ok_) std::memcpy(value.data(), bytes.data(), size);
    return value;
  }
  std::span<const std::uint8_t> take(std::size_t size) {
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const auto bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
  }
  std::span<const std::uint8_t> rest() const { return rest_; }
  bool ok() const { return ok_; }

 private:
  std::span<const std::uint8_t> rest_;
  bool ok_ = true;
};

}  // namespace schemas
