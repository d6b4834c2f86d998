#pragma once

#include <chrono>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "fb/batch_generated.h"
#include "schemas/ids.h"

/// Plain values out of a batch's buffer, for whoever reads its tables. An absent text is empty
/// where it is not asked for as one that may be absent.
namespace schemas::buffer {

inline Uuid uuid(const fb::Uuid* stored) {
  Uuid result;
  if (stored != nullptr) std::memcpy(result.bytes.data(), stored->bytes()->data(), 16);
  return result;
}
inline std::optional<Uuid> optional_uuid(const fb::Uuid* stored) {
  return stored == nullptr ? std::nullopt : std::optional(uuid(stored));
}
inline std::string_view view(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view{} : std::string_view{text->c_str(), text->size()};
}
inline std::string_view view(const flatbuffers::Vector<std::uint8_t>* bytes) {
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}
template <typename Stored>
std::optional<std::string_view> optional_view(const Stored* stored) {
  return stored == nullptr ? std::nullopt : std::optional(view(stored));
}
inline Time to_time(std::int64_t milliseconds) {
  return Time{std::chrono::milliseconds{milliseconds}};
}
inline std::int64_t to_number(Time time) {
  return time.time_since_epoch().count();
}
/// The verifier does not look whether elements are aligned.
inline std::vector<std::uint64_t> numbers(const flatbuffers::Vector<std::uint64_t>* from) {
  if (from == nullptr || from->size() == 0) return {};
  std::vector<std::uint64_t> numbers(from->size());
  std::memcpy(numbers.data(), from->Data(), numbers.size() * sizeof(std::uint64_t));
  for (auto& number : numbers) number = flatbuffers::EndianScalar(number);
  return numbers;
}

}  // namespace schemas::buffer
