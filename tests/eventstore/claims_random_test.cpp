// Goal: however many writers claim, write, delay, lose and repeat, every reader believes the same,
// and what counts is dense and decided on what counted before. Method: random stories; the failing
// seed is printed.

#include <random>

#include <gtest/gtest.h>

#include "tests/eventstore/claim_writer.h"

namespace eventstore {
namespace {

struct Stored {
  Offset offset;
  Sent sent;
};

/// Writers claim, write, lose, repeat and delay records at random; each goes on under the epoch
/// that it once won, whatever happened since.
std::vector<Stored> random_story(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Writer> writers(3);
  std::vector<Stored> log_records;
  std::vector<Sent> delayed;
  PartitionState truth;
  auto put = [&](const Sent& sent) {
    const auto offset = truth.next_offset + (random() % 10 == 0 ? 1 : 0);
    log_records.push_back({offset, sent});
    truth.apply(offset, sent.head, sent.payload.bytes());
  };
  auto claim = [&](Writer& writer) {
    writer.believe(truth);
    put(writer.claim(random()));
    // It owns the partition only once it has folded through its own claim.
    writer.believe(truth);
  };
  for (auto& writer : writers) claim(writer);
  for (int step = 0; step < 60; ++step) {
    auto& writer = writers[random() % writers.size()];
    switch (random() % 8) {
      case 0:
        claim(writer);
        break;
      case 1:
      case 2:
        delayed.push_back(writer.events("delayed " + std::to_string(step)));
        break;
      case 3:
        if (!delayed.empty()) put(delayed[random() % delayed.size()]);
        break;
      case 4:
        put(writer.noop());
        break;
      default: {
        auto sent = writer.events(std::to_string(step), step);
        put(sent);
        if (random() % 6 == 0) put(sent);
      }
    }
  }
  return log_records;
}

TEST(RandomClaims, EveryReaderBelievesTheSameFromWhereverItStarts) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto story = random_story(seed);
    PartitionState reader;
    std::vector<PartitionState> after;
    for (const auto& [offset, sent] : story) {
      reader.apply(offset, sent.head, sent.payload.bytes());
      after.push_back(reader);
    }
    for (std::size_t start = 0; start < story.size(); start += 7) {
      auto later = after[start];
      for (auto i = start + 1; i < story.size(); ++i) {
        later.apply(story[i].offset, story[i].sent.head, story[i].sent.payload.bytes());
      }
      ASSERT_EQ(later, reader);
    }
  }
}

TEST(RandomClaims, WhatCountsIsDenseInItsEpochAndDecidedOnWhatCountedBefore) {
  int accepted = 0;
  int forks = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    PartitionState reader;
    Chain chain{};
    Epoch epoch;
    std::uint64_t sequence = 0;
    for (const auto& [offset, sent] : random_story(seed)) {
      const auto verdict = reader.apply(offset, sent.head, sent.payload.bytes());
      forks += verdict == Verdict::fork ? 1 : 0;
      if (verdict == Verdict::claim) {
        ASSERT_EQ(sent.head.epoch, epoch);
        epoch = reader.epoch;
        sequence = 0;
      }
      if (verdict != Verdict::events && verdict != Verdict::control) continue;
      ASSERT_EQ(sent.head.epoch, epoch);
      ASSERT_EQ(sent.head.sequence, sequence++);
      if (verdict == Verdict::events) chain = next_chain(chain, sent.payload.bytes());
      ASSERT_EQ(sent.head.chain, chain);
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 1'000);
  EXPECT_EQ(forks, 0) << "honest writers, however late, never fork";
}

}  // namespace
}  // namespace eventstore
