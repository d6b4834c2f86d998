#pragma once

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "eventstore/claims.h"
#include "schemas/batch.h"
#include "tests/support/world.h"

/// The trial of everything that clients were told by processes that contend: a log, read with
/// nothing but the one rule, and the answers.
namespace manager {

struct Sent {
  std::string correlation;  // of one command, however often it is sent
  ReplyPtr reply;
};

class Judge {
 public:
  struct Found {
    std::size_t acknowledged = 0;
    std::size_t voids = 0;
    /// Records that readers without sequences would take, though decided on another state.
    std::size_t forks_without_sequence = 0;

    Found& operator+=(const Found& other) {
      acknowledged += other.acknowledged;
      voids += other.voids;
      forks_without_sequence += other.forks_without_sequence;
      return *this;
    }
  };
  Found found;

  /// The next record of its partition.
  void read(schemas::LogId log, schemas::Offset offset, const eventstore::RecordHead& head,
            std::span<const std::uint8_t> payload) {
    using eventstore::Verdict;
    auto& state = states_[log];
    auto& weak = weak_[log];
    const auto verdict = state.apply(offset, head, payload);
    EXPECT_NE(verdict, Verdict::fork) << "decided on another state";
    EXPECT_NE(verdict, Verdict::malformed);
    if (is_void(verdict)) ++found.voids;
    if (head.kind != eventstore::RecordKind::claim) weak.sequence = head.sequence;
    if (weak.apply(offset, head, payload) == Verdict::fork) ++found.forks_without_sequence;
    if (verdict != Verdict::events) return;
    const auto batch = schemas::BatchView::trusted(payload);
    counted_[std::string(batch.correlation())].push_back(state.position(log));
  }

  /// After everything was read.
  void compare(const std::vector<Sent>& sent) {
    for (const auto& [correlation, places] : counted_) {
      EXPECT_EQ(places.size(), 1) << correlation << " was carried out more than once";
    }
    std::map<std::string, bool> refused_only;
    for (const auto& [correlation, reply] : sent) {
      auto& refused = refused_only.try_emplace(correlation, true).first->second;
      if (!reply->here()) {
        refused = false;  // asked of a process that died
      } else if (!reply->ok()) {
        refused = refused && reply->code() != ErrorCode::outcome_unknown;
      } else {
        refused = false;
        compare(correlation, reply->outcome().position);
      }
    }
    for (const auto& [correlation, refused] : refused_only) {
      EXPECT_FALSE(refused && counted_.contains(correlation)) << correlation << " was refused";
    }
  }

 private:
  void compare(const std::string& correlation, const schemas::Position& answered) {
    ++found.acknowledged;
    const auto counts = counted_.find(correlation);
    ASSERT_NE(counts, counted_.end()) << correlation << " was acknowledged and does not count";
    const auto& place = counts->second.front();
    EXPECT_EQ(answered.offset, place.offset) << correlation;
    EXPECT_EQ(answered.epoch, place.epoch) << correlation;
    EXPECT_EQ(answered.sequence, place.sequence) << correlation;
    EXPECT_EQ(answered.chain, place.chain) << correlation;
  }

  std::map<schemas::LogId, eventstore::PartitionState> states_;
  std::map<schemas::LogId, eventstore::PartitionState> weak_;  // believe in epochs alone
  std::map<std::string, std::vector<schemas::Position>> counted_;
};

}  // namespace manager
