#include "projections/row_keys.h"

#include "schemas/planted.h"

namespace projections {
namespace {

// No organization has this id: ids of organizations are UUIDv7, whose version nibble is 7.
const std::string shared_prefix(16, '\xff');

void append_u16(std::string& key, std::uint16_t value) {
  key.push_back(static_cast<char>(value >> 8));
  key.push_back(static_cast<char>(value & 0xff));
}
std::uint16_t read_u16(std::string_view bytes) {
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[0]) << 8 |
                                    static_cast<std::uint8_t>(bytes[1]));
}
void append_topic(std::string& key, TopicId topic) {
  append_u16(key, static_cast<std::uint16_t>(topic));
}
void append_text(std::string& key, std::string_view text) {
  key += text;
  key.push_back('\0');
}

std::string entity_row_key(char table, const KindScope& scope, const Entity& entity) {
  auto key = kind_prefix(table, scope);
  key += entity_key(entity);
  return key;
}

}  // namespace

void append_u64(std::string& key, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(value >> shift));
}
std::uint64_t read_u64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = (value << 8) | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

std::string organization_prefix(OrganizationId organization, Space space) {
  std::string key;
  key.reserve(96);
  key += organization.uuid().view();
  key.push_back(static_cast<char>(space));
  return key;
}

std::string entity_key(const Entity& entity) {
  std::string key;
  if (!entity.id.nil()) key += entity.id.view();
  append_text(key, entity.name);
  return key;
}

Entity parse_entity_key(std::string_view key, bool has_id) {
  Entity entity;
  if (has_id) {
    std::copy_n(key.begin(), entity.id.bytes.size(), entity.id.bytes.begin());
    key.remove_prefix(entity.id.bytes.size());
  }
  entity.name = key.substr(0, key.find('\0'));
  return entity;
}

std::string kind_prefix(char table, const KindScope& scope) {
  auto key = organization_prefix(scope.organization, scope.space);
  key.push_back(table);
  append_topic(key, scope.topic);
  append_text(key, scope.kind);
  return key;
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && static_cast<std::uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::string row_key(const KindScope& scope, const Entity& entity) {
  return entity_row_key('R', scope, entity);
}
std::string deleted_key(const KindScope& scope, const Entity& entity) {
  auto whose = scope;
  if (planted(schemas::Fault::drop_space_from_keys)) whose.space = Space::live;
  return entity_row_key('D', whose, entity);
}
std::string history_prefix(const KindScope& scope, const Entity& entity) {
  return entity_row_key('H', scope, entity);
}
std::string history_key(const KindScope& scope, const Entity& entity, Offset offset,
                        std::uint32_t index) {
  auto key = history_prefix(scope, entity);
  append_u64(key, ~offset);
  append_u16(key, static_cast<std::uint16_t>(~index >> 16));
  append_u16(key, static_cast<std::uint16_t>(~index));
  return key;
}
std::string oldest_kept_key(const KindScope& scope, const Entity& entity) {
  return kind_prefix('K', scope) + entity_key(entity);
}

std::string kept_from_key(const KindScope& scope) {
  return kind_prefix('L', scope);
}

std::string unique_key(const KindScope& scope, std::string_view field, std::string_view value) {
  auto whose = scope;
  if (planted(schemas::Fault::drop_organization_from_keys))
    whose.organization = OrganizationId(schemas::Uuid{});
  auto key = kind_prefix('U', whose);
  append_text(key, field);
  append_text(key, value);
  return key;
}

std::string index_prefix(char table, const KindScope& scope, std::string_view index,
                         std::string_view value) {
  auto key = kind_prefix(table, scope);
  append_text(key, index);
  append_text(key, value);
  return key;
}
std::string index_key(char table, const KindScope& scope, std::string_view index,
                      std::string_view value, const Entity& entity) {
  return index_prefix(table, scope, index, value) + entity_key(entity);
}

std::string record_key(OrganizationId organization, Space space, TopicId topic, Offset offset) {
  auto key = organization_prefix(organization, space);
  key.push_back('O');
  append_topic(key, topic);
  append_u64(key, offset);
  return key;
}
std::string idempotency_key(OrganizationId organization, Space space, TopicId topic,
                            const schemas::ShortDigest& digest) {
  auto key = organization_prefix(organization, space);
  key.push_back('I');
  append_topic(key, topic);
  key.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return key;
}
TopicId parse_idempotency_topic(std::string_view key) {
  constexpr std::size_t topic_at = 18;  // behind organization, space and the table's letter
  return TopicId{read_u16(key.substr(topic_at))};
}
std::string shared_rows_prefix() {
  return shared_prefix;
}
std::string access_key(std::string_view digest) {
  return shared_prefix + "A" + std::string(digest);
}

std::string positions_prefix() {
  return shared_prefix + "P";
}
std::string position_key(LogId log) {
  auto key = positions_prefix();
  append_topic(key, log.topic);
  append_u16(key, log.partition);
  return key;
}
LogId parse_position_key(std::string_view key) {
  auto tail = key.substr(key.size() - 4);
  return {TopicId{read_u16(tail)}, read_u16(tail.substr(2))};
}

std::string frozen_prefix() {
  return shared_prefix + "F";
}
std::string frozen_key(const FrozenScope& scope) {
  auto key = frozen_prefix();
  key += scope.organization.uuid().view();
  key.push_back(static_cast<char>(scope.space));
  append_topic(key, scope.topic);
  return key;
}
FrozenScope parse_frozen_key(std::string_view key) {
  auto tail = key.substr(frozen_prefix().size());
  schemas::Uuid organization;
  std::copy_n(tail.begin(), organization.bytes.size(), organization.bytes.begin());
  return {OrganizationId(organization), static_cast<Space>(tail[16]),
          TopicId{read_u16(tail.substr(17))}};
}

std::string used_type_key(TopicId topic, std::string_view kind, std::string_view type) {
  auto key = shared_prefix + "T";
  append_topic(key, topic);
  append_text(key, kind);
  append_text(key, type);
  return key;
}
std::string builds_prefix() {
  return shared_prefix + "B";
}
std::string builds_prefix(std::string_view product) {
  auto key = builds_prefix();
  append_text(key, product);
  return key;
}
std::string build_key(std::string_view product, std::string_view kind, std::string_view index) {
  auto key = builds_prefix(product);
  append_text(key, kind);
  append_text(key, index);
  return key;
}
std::array<std::string, 3> parse_build_key(std::string_view key) {
  key.remove_prefix(builds_prefix().size());
  std::array<std::string, 3> parts;
  for (auto& part : parts) {
    part = key.substr(0, key.find('\0'));
    key.remove_prefix(part.size() + 1);
  }
  return parts;
}
std::string expiry_prefix() {
  return shared_prefix + "E";
}
std::string expiry_prefix(LogId log) {
  auto key = expiry_prefix();
  append_topic(key, log.topic);
  append_u16(key, log.partition);
  return key;
}
std::string expiry_key(LogId log, schemas::Time recorded, std::string_view idempotency_row) {
  auto key = expiry_prefix(log);
  append_u64(key, static_cast<std::uint64_t>(recorded.time_since_epoch().count()));
  key += idempotency_row;
  return key;
}
std::string_view idempotency_row_of(std::string_view expiry_key) {
  return expiry_key.substr(expiry_prefix().size() + 4 + 8);
}

}  // namespace projections
