#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "schemas/decimal.h"
#include "schemas/ids.h"

/// What a row holds: a head that every kind shares, then the kind's state. Rows can always be
/// folded again, so their encoding may change with the projection's code version.
namespace projections {

using schemas::Time;
using schemas::Version;

struct RowHead {
  Version version{};
  Time created_at;
  Time updated_at;
  std::uint64_t offset = 0;  // of the record that made this state
  bool deleted = false;
  bool trimmed = false;  // a history row that has lost its state (trimming.h)
};

template <typename T>
concept Number = std::is_integral_v<T> || std::is_enum_v<T> || std::is_same_v<T, schemas::Int128>;

/// Writes members one after another: numbers little-endian, texts with a length before them.
class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}
  template <Number T>
  void operator()(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void operator()(const std::string& text) {
    (*this)(static_cast<std::uint32_t>(text.size()));
    out_ += text;
  }
  void operator()(const schemas::Uuid& uuid) { out_.append(uuid.view()); }
  void operator()(Time time) { (*this)(time.time_since_epoch().count()); }
  template <typename T>
  void operator()(const std::optional<T>& value) {
    (*this)(value.has_value());
    if (value) (*this)(*value);
  }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    (*this)(static_cast<std::uint32_t>(values.size()));
    for (const auto& value : values) (*this)(value);
  }
  template <typename T>
    requires requires(T& t, Encoder& e) { T::members(t, e); }
  void operator()(const T& value) {
    T::members(value, *this);
  }

 private:
  std::string& out_;
};

/// Reads what Encoder wrote. Rows are our own bytes: a short one is a broken invariant.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  template <Number T>
  void operator()(T& value) {
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
  }
  void operator()(std::string& text) {
    std::uint32_t size = 0;
    (*this)(size);
    text = take(size);
  }
  void operator()(schemas::Uuid& uuid) { std::memcpy(uuid.bytes.data(), take(16).data(), 16); }
  void operator()(Time& time) {
    std::int64_t milliseconds = 0;
    (*this)(milliseconds);
    time = Time{std::chrono::milliseconds{milliseconds}};
  }
  template <typename T>
  void operator()(std::optional<T>& value) {
    bool present = false;
    (*this)(present);
    if (present) (*this)(value.emplace());
  }
  template <typename T>
  void operator()(std::vector<T>& values) {
    std::uint32_t size = 0;
    (*this)(size);
    values.resize(size);
    for (auto& value : values) (*this)(value);
  }
  template <typename T>
    requires requires(T& t, Decoder& d) { T::members(t, d); }
  void operator()(T& value) {
    T::members(value, *this);
  }
  std::string_view rest() const { return in_; }

 private:
  std::string_view take(std::size_t size);
  std::string_view in_;
};

template <typename State>
struct Row {
  RowHead head;
  State state;
};

std::string encode_head(const RowHead& head);
RowHead decode_head(std::string_view row, std::string_view* state);

template <typename State>
std::string encode_row(const RowHead& head, const State& state) {
  auto row = encode_head(head);
  Encoder encoder(row);
  encoder(state);
  return row;
}
template <typename State>
Row<State> decode_row(std::string_view bytes) {
  std::string_view state_bytes;
  Row<State> row{decode_head(bytes, &state_bytes), {}};
  Decoder decoder(state_bytes);
  decoder(row.state);
  return row;
}

}  // namespace projections
