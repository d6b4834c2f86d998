#include "schemas/ids.h"

#include <cstring>

#include "schemas/crypto.h"
#include "schemas/result.h"

namespace schemas {

namespace {

constexpr std::string_view platform_text = "org_platform";
constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t suffix_size = 26;
constexpr std::uint8_t no_digit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits;
  digits.fill(no_digit);
  for (std::uint8_t value = 0; value < 32; ++value) {
    digits[static_cast<std::uint8_t>(alphabet[value])] = value;
  }
  return digits;
}

/// Random bytes for ids, fetched 512 at a time: a batch of 10,000 events would else spend more time
/// in the system call than in all its decisions. Ids are no secrets, so leftovers may lie in
/// memory.
std::array<std::uint8_t, 10> random_id_bytes() {
  struct Pool {
    std::array<std::uint8_t, 512> bytes;
    std::size_t used = sizeof bytes;
  };
  thread_local Pool pool;
  std::array<std::uint8_t, 10> taken;
  if (pool.used + taken.size() > pool.bytes.size()) {
    random_bytes(pool.bytes);
    pool.used = 0;
  }
  std::memcpy(taken.data(), pool.bytes.data() + pool.used, taken.size());
  pool.used += taken.size();
  return taken;
}

}  // namespace

std::string typeid_text(std::string_view prefix, const Uuid& uuid) {
  unsigned __int128 number = 0;
  for (const std::uint8_t byte : uuid.bytes) number = (number << 8) | byte;
  std::string text(prefix.size() + 1 + suffix_size, '_');
  prefix.copy(text.data(), prefix.size());
  for (std::size_t i = text.size(); i-- > prefix.size() + 1; number >>= 5) {
    text[i] = alphabet[static_cast<std::size_t>(number & 31)];
  }
  return text;
}

std::optional<Uuid> parse_typeid(std::string_view prefix, std::string_view text) {
  static constexpr auto digits = make_digits();
  if (text.size() != prefix.size() + 1 + suffix_size) return std::nullopt;
  if (!text.starts_with(prefix) || text[prefix.size()] != '_') return std::nullopt;
  const std::string_view suffix = text.substr(prefix.size() + 1);
  if (suffix.front() > '7') return std::nullopt;  // 26 characters hold 130 bits
  unsigned __int128 number = 0;
  for (const char character : suffix) {
    const std::uint8_t digit = digits[static_cast<std::uint8_t>(character)];
    if (digit == no_digit) return std::nullopt;
    number = (number << 5) | digit;
  }
  Uuid uuid;
  for (std::size_t i = uuid.bytes.size(); i-- > 0; number >>= 8) {
    uuid.bytes[i] = static_cast<std::uint8_t>(number);
  }
  return uuid;
}

std::string to_text(OrganizationId id) {
  if (id == platform_organization) return std::string(platform_text);
  return typeid_text(OrganizationTag::prefix, id.uuid());
}

std::optional<OrganizationId> parse_organization(std::string_view text) {
  if (text == platform_text) return platform_organization;
  const auto uuid = parse_typeid(OrganizationTag::prefix, text);
  // Every id has one text, and the nil id's is `org_platform`.
  if (!uuid || uuid->nil()) return std::nullopt;
  return OrganizationId(*uuid);
}

Uuid make_uuid(Time now) {
  const auto milliseconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
  ENSURE(milliseconds < (std::uint64_t{1} << 48));
  Uuid uuid;
  for (std::size_t i = 0; i < 6; ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  }
  const auto random = random_id_bytes();
  std::memcpy(uuid.bytes.data() + 6, random.data(), random.size());
  uuid.bytes[6] = (uuid.bytes[6] & 0x0f) | 0x70;  // version 7
  uuid.bytes[8] = (uuid.bytes[8] & 0x3f) | 0x80;  // variant 10
  return uuid;
}

std::string_view to_text(Space space) {
  switch (space) {
    case Space::live:
      return "live";
    case Space::test:
      return "test";
  }
  ENSURE(false);
  return {};
}

std::optional<Space> parse_space(std::string_view text) {
  if (text == "live") return Space::live;
  if (text == "test") return Space::test;
  return std::nullopt;
}

std::string to_text(const Actor& actor) {
  switch (actor.kind) {
    case ActorKind::system:
      return "system";
    case ActorKind::key:
      return typeid_text(KeyTag::prefix, actor.id);
  }
  ENSURE(false);
  return {};
}

// As in org.apache.kafka.common.utils.Utils.murmur2, which is Austin Appleby's MurmurHash2 with a
// fixed seed.
std::uint32_t murmur2(std::span<const std::uint8_t> bytes) {
  constexpr std::uint32_t m = 0x5bd1e995;
  auto hash = 0x9747b28cu ^ static_cast<std::uint32_t>(bytes.size());
  for (; bytes.size() >= 4; bytes = bytes.subspan(4)) {
    std::uint32_t k;
    std::memcpy(&k, bytes.data(), sizeof k);
    k *= m;
    k ^= k >> 24;
    hash = (hash * m) ^ (k * m);
  }
  if (!bytes.empty()) {
    for (std::size_t i = bytes.size(); i-- > 0;) hash ^= std::uint32_t{bytes[i]} << (8 * i);
    hash *= m;
  }
  hash ^= hash >> 13;
  hash *= m;
  return hash ^ (hash >> 15);
}

std::uint16_t partition_of(OrganizationId organization, std::uint16_t partition_count) {
  ENSURE(partition_count > 0);
  const std::uint32_t hash = murmur2(bytes_of(to_text(organization))) & 0x7fffffff;
  return static_cast<std::uint16_t>(hash % partition_count);
}

}  // namespace schemas
