#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What a process of a cluster does for the others.
namespace eventstore {

enum class Role : std::uint8_t {
  gateway = 1,    // answers HTTP
  manager = 2,    // writes partitions
  projector = 4,  // keeps rows for others to read
  deliverer = 8,  // sends events out of the house
};

/// A set of roles; all of them unless something else was said.
class Roles {
 public:
  bool has(Role role) const { return (bits_ & static_cast<std::uint8_t>(role)) != 0; }
  bool all() const { return bits_ == all_bits; }
  std::uint8_t bits() const { return bits_; }
  /// Ignores bits that this version does not know.
  static Roles of_bits(std::uint8_t bits);

  friend bool operator==(const Roles&, const Roles&) = default;

 private:
  static constexpr std::uint8_t all_bits = 15;
  std::uint8_t bits_ = all_bits;
};

/// gateway,manager
std::string to_text(Roles roles);
/// Empty when a name is unknown or there is none.
std::optional<Roles> parse_roles(std::string_view text);

}  // namespace eventstore
