#pragma once

#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/log.h"
#include "schemas/controls.h"

/// Which topics there are: the fold of `tm.log`. A topic's number is written there before its first
/// record and never changes. Built-in products have theirs from the log's birth; a declared product
/// gets one before its first manifest. Any thread.
namespace eventstore {

class Topics {
 public:
  std::optional<TopicId> find(std::string_view product) const;
  /// Empty text for an unknown number.
  std::string name(TopicId topic) const;
  /// Every product's topic, `tm.log` left out, by number.
  std::vector<Topic> all() const;

  std::uint16_t partition_count() const { return partitions_; }
  const schemas::Uuid& log_id() const { return log_id_; }
  LogId log_of(TopicId topic, schemas::OrganizationId organization) const {
    return {topic, schemas::partition_of(organization, partitions_)};
  }
  /// Where the log went, if it was copied elsewhere and ended here.
  std::optional<std::string> moved_to() const;
  TopicId next_id() const;
  /// Whether a log can hold one more topic: ask before TopicAdded is written.
  bool has_room() const;

  /// Folds the next record of `tm.log`; one that was folded already changes nothing. An error means
  /// that which topics there are cannot be told.
  schemas::Result<void> follow(const StoredRecord& record);
  /// Folds a control record of `tm.log` that counts.
  void apply(const schemas::Control& control);

 private:
  schemas::Result<void> agree(const schemas::Control& control) const;

  mutable std::shared_mutex mutex_;
  PartitionState folded_;  // of `tm.log`; whoever follows
  std::map<TopicId, Topic> topics_;
  std::uint16_t partitions_ = 0;
  schemas::Uuid log_id_;
  std::optional<std::string> moved_to_;
};

using schemas::log_topic;
inline constexpr LogId log_partition{log_topic, 0};

enum class NoLog : std::uint8_t { is_an_error, is_made };

/// Folds `tm.log` and makes every topic known to the backend. No identity means that the log is
/// new: beside records of products it was lost, and is not made anew. A log that moved turns
/// read-only.
schemas::Result<void> load_topics(Log& log, Topics& topics, NoLog no_log = NoLog::is_an_error);
/// After something was followed: a log that moved turns read-only.
void end_if_moved(Log& log, const Topics& topics);

inline constexpr std::string_view identity_product = "identity";
inline constexpr std::string_view projects_product = "projects";
inline constexpr std::string_view resources_product = "resources";
inline constexpr std::string_view webhooks_product = "webhooks";
inline constexpr std::string_view deliveries_product = "deliveries";
inline constexpr std::string_view built_in_products[] = {
    identity_product, projects_product, resources_product, webhooks_product, deliveries_product};

}  // namespace eventstore
