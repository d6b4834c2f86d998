#include "schemas/cel/memory.h"

#include <algorithm>
#include <cstring>

namespace schemas::cel {
namespace {

constexpr std::size_t block_bytes = 4096;

}  // namespace

void Memory::reset() {
  steps_ = limits_.steps;
  bytes_ = 0;
  exceeded_ = false;
  large_.clear();
  block_ = used_ = 0;
}

Value Memory::over_limits() {
  return Value::error("the expression takes too long or too much");
}

void* Memory::allocate(std::size_t bytes) {
  constexpr auto align = alignof(Entry);
  bytes = (bytes + align - 1) / align * align;
  if (bytes > limits_.bytes - bytes_) {
    exceeded_ = true;
    steps_ = 0;
    return nullptr;
  }
  bytes_ += bytes;
  if (bytes > block_bytes) {
    large_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
    return large_.back().get();
  }
  if (blocks_.empty() || bytes > block_bytes - used_) {
    block_ = blocks_.empty() ? 0 : block_ + 1;
    used_ = 0;
    if (block_ == blocks_.size()) {
      blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(block_bytes));
    }
  }
  auto* at = blocks_[block_].get() + used_;
  used_ += bytes;
  return at;
}

template <typename T>
const T* Memory::copy(std::span<const T> from) {
  auto* at = allocate(from.size_bytes());
  if (at == nullptr) return nullptr;
  if (!from.empty()) std::memcpy(at, from.data(), from.size_bytes());
  return static_cast<const T*>(at);
}

Value Memory::text_value(Kind kind, std::span<const std::string_view> parts) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  auto* at = static_cast<char*>(allocate(size));
  if (at == nullptr) return over_limits();
  auto* end = at;
  for (const auto part : parts) end = std::ranges::copy(part, end).out;
  const std::string_view text(at, size);
  if (kind == Kind::string) return Value::string(text);
  return kind == Kind::bytes ? Value::bytes(text) : Value::error(text);
}

Value Memory::concatenation(Kind kind, std::string_view first, std::string_view second) {
  const std::string_view parts[] = {first, second};
  return text_value(kind, parts);
}

Value Memory::list(std::span<const Value> items) {
  const auto* at = copy(items);
  return at != nullptr ? Value::list(at, items.size()) : over_limits();
}

Value Memory::map(std::span<const Entry> entries) {
  const auto* at = copy(entries);
  return at != nullptr ? Value::map(at, entries.size()) : over_limits();
}

Value Memory::optional(Value inner) {
  const auto* at = copy(std::span<const Value>(&inner, 1));
  return at != nullptr ? Value::optional(at) : over_limits();
}

}  // namespace schemas::cel
