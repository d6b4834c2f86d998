#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/batch.h"
#include "schemas/ids.h"

// clang-format off
/// Keys of rows. Every key of an organization begins with (organization, space), so a cursor that
/// is bounded to that prefix can see nothing of another. Tables, one letter each:
///
///     organization 16 | space 1 | 'R' | topic 2 | kind 0 | entity 0         current row
///                               | 'D' | topic 2 | kind 0 | entity 0         deleted: its version
///                               | 'H' | topic 2 | kind 0 | entity 0
///                                     | ~offset 8 | ~index 4                history, newest first
///                               | 'K' | topic 2 | kind 0 | entity 0         oldest history row with
///                                                                           its state: end of key
///                               | 'L' | topic 2 | kind 0                    lists go back to here
///                               | 'U' | topic 2 | kind 0 | field 0 | value 0   unique -> entity
///                               | 'X' | topic 2 | kind 0 | index 0
///                                     | value 0 | entity 0                has the value now
///                               | 'Y' | the same                          had it until an offset
///                               | 'O' | topic 2 | offset 8                  record -> its time
///                               | 'I' | topic 2 | digest 16                 key -> first answer
///     0xff × 16 | 'A' | digest 32                                           credential -> rights
///               | 'P' | topic 2 | partition 2                               applied position
///               | 'F' | organization 16 | space 1 | topic 2                 frozen: why
///               | 'T' | topic 2 | kind 0 | type 0                           type has events
///               | 'B' | product 0 | kind 0 | index 0                    how far an index is made
///               | 'E' | topic 2 | partition 2 | recorded 8 | its 'I' key    first answer's expiry
///
/// Numbers are big-endian, `~` is the complement (newest first), `0` a zero byte: kinds, names and
/// values have none, and ids of built-in entities are 16 bytes, so no key is a prefix of another's.
// clang-format on
namespace projections {

using schemas::Entity;
using schemas::LogId;
using schemas::Offset;
using schemas::OrganizationId;
using schemas::Space;
using schemas::TopicId;

/// One kind of one product in one (organization, space).
struct KindScope {
  OrganizationId organization;
  Space space;
  TopicId topic;
  std::string_view kind;
};

std::string organization_prefix(OrganizationId organization, Space space);
/// The entity as it stands in keys: 16 bytes of id (built-in kinds), then the name, then a zero.
std::string entity_key(const Entity& entity);
/// Inverse; `has_id` says which form the kind has.
Entity parse_entity_key(std::string_view key, bool has_id);

std::string row_key(const KindScope& scope, const Entity& entity);
std::string deleted_key(const KindScope& scope, const Entity& entity);
std::string history_prefix(const KindScope& scope, const Entity& entity);
std::string history_key(const KindScope& scope, const Entity& entity, Offset offset,
                        std::uint32_t index);
/// Of bounded history (trimming.h).
std::string oldest_kept_key(const KindScope& scope, const Entity& entity);
std::string kept_from_key(const KindScope& scope);
std::string unique_key(const KindScope& scope, std::string_view field, std::string_view value);
/// Of a declared index (declared_indexes.h), in table 'X' or 'Y'.
std::string index_prefix(char table, const KindScope& scope, std::string_view index,
                         std::string_view value);
std::string index_key(char table, const KindScope& scope, std::string_view index,
                      std::string_view value, const Entity& entity);
/// First and last key of one kind in a table are prefix and prefix_end(prefix).
std::string kind_prefix(char table, const KindScope& scope);
std::string prefix_end(std::string prefix);

std::string record_key(OrganizationId organization, Space space, TopicId topic, Offset offset);
std::string idempotency_key(OrganizationId organization, Space space, TopicId topic,
                            const schemas::ShortDigest& digest);
TopicId parse_idempotency_topic(std::string_view key);
// Rows of no organization. Never handed out by organization-scoped cursors.
/// Before all of them, and behind every organization's.
std::string shared_rows_prefix();
std::string access_key(std::string_view digest);
std::string position_key(LogId log);
LogId parse_position_key(std::string_view key);
std::string positions_prefix();
std::string used_type_key(TopicId topic, std::string_view kind, std::string_view type);
std::string builds_prefix();
std::string builds_prefix(std::string_view product);
std::string build_key(std::string_view product, std::string_view kind, std::string_view index);
/// Product, kind and index.
std::array<std::string, 3> parse_build_key(std::string_view key);
/// By log and time: each log forgets by its own time.
std::string expiry_key(LogId log, schemas::Time recorded, std::string_view idempotency_row);
std::string_view idempotency_row_of(std::string_view expiry_key);
std::string expiry_prefix();
std::string expiry_prefix(LogId log);
struct FrozenScope {
  OrganizationId organization;
  Space space;
  TopicId topic;
  friend bool operator==(const FrozenScope&, const FrozenScope&) = default;
};
std::string frozen_key(const FrozenScope& scope);
FrozenScope parse_frozen_key(std::string_view key);
std::string frozen_prefix();

/// Big-endian numbers at the end of keys.
std::uint64_t read_u64(std::string_view bytes);
void append_u64(std::string& key, std::uint64_t value);

}  // namespace projections
