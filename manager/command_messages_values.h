#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "fb/rpc/commands_generated.h"
#include "schemas/ids.h"

/// What messages between processes are made of, as values of ours: command_messages_reader.cpp's
/// own, apart because there is much of it.
namespace manager {

using schemas::Time;
using schemas::Uuid;
using TextVector = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

inline Uuid from_fb(const fb::Uuid* uuid) {
  Uuid result;
  std::memcpy(result.bytes.data(), uuid->bytes()->data(), result.bytes.size());
  return result;
}
inline std::array<std::uint8_t, 16> from_fb(const fb::Digest* digest) {
  std::array<std::uint8_t, 16> result{};
  std::memcpy(result.data(), digest->bytes()->data(), result.size());
  return result;
}
inline Time to_time(std::int64_t milliseconds) {
  return Time{std::chrono::milliseconds{milliseconds}};
}
inline std::optional<Time> to_time(flatbuffers::Optional<std::int64_t> milliseconds) {
  return milliseconds ? std::optional(to_time(*milliseconds)) : std::nullopt;
}
inline std::string to_string(const flatbuffers::String* text) {
  return text->str();
}
inline std::string to_string(const flatbuffers::Vector<std::uint8_t>* bytes) {
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}
inline std::optional<std::string> to_optional(const flatbuffers::String* text) {
  return text == nullptr ? std::nullopt : std::optional(text->str());
}
inline std::optional<std::string> to_optional(const flatbuffers::Vector<std::uint8_t>* bytes) {
  return bytes == nullptr ? std::nullopt : std::optional(to_string(bytes));
}
inline std::optional<Uuid> to_optional(const fb::Uuid* uuid) {
  return uuid == nullptr ? std::nullopt : std::optional(from_fb(uuid));
}
/// An absent vector is an empty one.
template <typename Items, typename Make>
auto to_vector(const Items* items, const Make& make) {
  std::vector<decltype(make(items->Get(0)))> result;
  if (items == nullptr) return result;
  result.reserve(items->size());
  for (const auto& item : *items) result.push_back(make(item));
  return result;
}
inline std::vector<std::string> to_strings(const TextVector* texts) {
  return to_vector(texts, [](const flatbuffers::String* text) { return text->str(); });
}
inline std::optional<std::vector<std::string>> to_optional(const TextVector* texts) {
  return texts == nullptr ? std::nullopt : std::optional(to_strings(texts));
}

}  // namespace manager
