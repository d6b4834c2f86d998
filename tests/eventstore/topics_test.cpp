// Goal: the fold of tm.log: numbers given once and for ever, and a tm.log that cannot be believed
// stops the start. Method: control records by hand, through a memory log.

#include "eventstore/topics.h"

#include <gtest/gtest.h>

#include "eventstore/journal_partitions.h"
#include "eventstore/memory_log.h"
#include "tests/support/log_fixture.h"

namespace eventstore {
namespace {

using schemas::LogIdentity;
using schemas::TopicAdded;

/// A backend where topics have places of their own.
class PlacedLog final : public MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  schemas::Result<void> make_topic(const Topic& topic, MayHold) override {
    made.push_back(topic.name);
    return {};
  }
  schemas::Result<std::optional<std::string>> written_topic() override { return written; }

  std::vector<std::string> made;
  std::optional<std::string> written;
};

class TopicsTest : public testing::Test {
 protected:
  void write(const schemas::Control& control) {
    auto built = schemas::build_control(control);
    put(RecordKind::control, built.bytes, state_.chain);
  }
  void put(RecordKind kind, Bytes bytes, const Chain& chain) {
    RecordHead head{.length = static_cast<std::uint32_t>(bytes.size()),
                    .kind = kind,
                    .epoch = state_.epoch,
                    .sequence = state_.sequence,
                    .chain = chain};
    add({log_partition, state_.next_offset, head, Payload::copy(bytes)});
  }
  void claim(std::uint64_t nonce) {
    auto claim = make_claim(state_, nonce, "test");
    add({log_partition, state_.next_offset, claim.head, claim.payload});
  }
  void add(StoredRecord record) {
    state_.apply(record.offset, record.head, record.payload.bytes());
    storage_->add(std::move(record));
  }
  schemas::Result<void> load() {
    MemoryLog log(witness_, MemoryLog::Drive::manual, storage_);
    return load_topics(log, topics_);
  }

  PartitionState state_;
  std::shared_ptr<MemoryStorage> storage_ = std::make_shared<MemoryStorage>();
  Witness witness_;
  Topics topics_;
};

TEST_F(TopicsTest, ANewLogHasNoIdentityAndBeginsToCountAtOne) {
  ASSERT_TRUE(load());
  EXPECT_EQ(topics_.partition_count(), 0);
  EXPECT_EQ(topics_.next_id(), TopicId{1});
  EXPECT_TRUE(topics_.all().empty());
}

TEST_F(TopicsTest, OnlyALogThatIsToBeFoundedIsMade) {
  PlacedLog log(witness_, MemoryLog::Drive::manual, storage_);
  ASSERT_TRUE(load_topics(log, topics_));
  EXPECT_TRUE(log.made.empty());
  ASSERT_TRUE(load_topics(log, topics_, NoLog::is_made));
  EXPECT_EQ(log.made, std::vector<std::string>{"log"});
}

TEST_F(TopicsTest, BesideRecordsOfProductsNoLogIsFounded) {
  PlacedLog log(witness_, MemoryLog::Drive::manual, storage_);
  log.written = "tm.projects";
  const auto loaded = load_topics(log, topics_, NoLog::is_made);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, schemas::ErrorCode::read_only);
  EXPECT_NE(loaded.error().detail.find("topic tm.projects holds records"), std::string::npos);
  EXPECT_TRUE(log.made.empty());
}

TEST_F(TopicsTest, WhatTmLogNamesIsOpenedAndNotMade) {
  claim(1);
  write(LogIdentity{{}, 4, 1});
  write(TopicAdded{TopicId{1}, "projects"});
  PlacedLog log(witness_, MemoryLog::Drive::manual, storage_);
  log.written = "tm.projects";
  ASSERT_TRUE(load_topics(log, topics_, NoLog::is_made));
  EXPECT_TRUE(log.made.empty());
}

TEST_F(TopicsTest, TopicsAreFoundByNameAndByNumber) {
  const schemas::Uuid id{{7}};
  claim(1);
  write(LogIdentity{id, 64, 1});
  write(TopicAdded{TopicId{1}, "identity"});
  write(TopicAdded{TopicId{2}, "projects"});
  ASSERT_TRUE(load());
  EXPECT_EQ(topics_.log_id(), id);
  EXPECT_EQ(topics_.partition_count(), 64);
  EXPECT_EQ(topics_.find("projects"), TopicId{2});
  EXPECT_EQ(topics_.find("project"), std::nullopt);
  EXPECT_EQ(topics_.name(TopicId{1}), "identity");
  EXPECT_EQ(topics_.name(TopicId{9}), "");
  EXPECT_EQ(topics_.next_id(), TopicId{3});
  ASSERT_EQ(topics_.all().size(), 2u);
  EXPECT_EQ(topics_.all().back().partitions, 64);
}

TEST_F(TopicsTest, EveryOrganizationHasOnePartitionPerTopicTheSameForAll) {
  topics_.apply(LogIdentity{{}, 64, 1});
  const schemas::OrganizationId acme(schemas::Uuid{{1}});
  EXPECT_EQ(topics_.log_of(TopicId{1}, acme).partition, topics_.log_of(TopicId{2}, acme).partition);
  EXPECT_LT(topics_.log_of(TopicId{1}, acme).partition, 64);
}

/// What `has_room` allowed can be opened, now and at every later start.
TEST_F(TopicsTest, ThereIsRoomForAsManyTopicsAsCanBeOpened) {
  topics_.apply(LogIdentity{{}, 4096, 1});
  journal::Partitions partitions;
  ASSERT_TRUE(partitions.open_topic({log_topic, "log", 1}));
  std::uint16_t last = 0;
  while (topics_.has_room()) {
    const TopicAdded added{topics_.next_id(), std::to_string(++last)};
    topics_.apply(added);
    ASSERT_TRUE(partitions.open_topic(topics_.all().back()));
  }
  EXPECT_EQ(last, 7);
  EXPECT_FALSE(partitions.open_topic({topics_.next_id(), "one more", 4096}));

  journal::States states;
  for (const auto& topic : topics_.all()) {
    for (std::uint16_t i = 0; i < topic.partitions; i += topic.id == TopicId{3} ? 2 : 1) {
      states[{topic.id, i}].next_offset = 1;
    }
  }
  journal::Partitions again;
  again.load(states);
  ASSERT_TRUE(again.open_topic({log_topic, "log", 1}));
  for (const auto& topic : topics_.all()) ASSERT_TRUE(again.open_topic(topic)) << topic.name;
  EXPECT_EQ(again.size(), 7 * 4096 + 1);
}

TEST_F(TopicsTest, ANumberOnceGivenKeepsItsName) {
  topics_.apply(TopicAdded{TopicId{1}, "first"});
  topics_.apply(TopicAdded{TopicId{1}, "second"});
  EXPECT_EQ(topics_.name(TopicId{1}), "first");
}

TEST_F(TopicsTest, ANumberGivenTwiceStopsTheStart) {
  claim(1);
  write(LogIdentity{{}, 4, 1});
  write(TopicAdded{TopicId{1}, "first"});
  write(TopicAdded{TopicId{1}, "first"});
  ASSERT_TRUE(load()) << "said twice, but the same";
  write(TopicAdded{TopicId{1}, "second"});
  auto loaded = load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, schemas::ErrorCode::read_only);
  EXPECT_NE(loaded.error().detail.find("'second'"), std::string::npos) << loaded.error().detail;
}

TEST_F(TopicsTest, WhatAZombieAddedDoesNotCount) {
  claim(1);
  write(LogIdentity{{}, 4, 1});
  auto old = state_;
  claim(2);
  auto current = state_;
  std::swap(state_.epoch, old.epoch);
  state_.sequence = old.sequence;
  write(TopicAdded{TopicId{1}, "late"});
  current.next_offset = state_.next_offset;
  state_ = current;
  write(TopicAdded{TopicId{1}, "projects"});
  ASSERT_TRUE(load());
  EXPECT_EQ(topics_.name(TopicId{1}), "projects");
  EXPECT_EQ(topics_.all().size(), 1u);
}

TEST_F(TopicsTest, AForkInTheLogOfTopicsStopsTheStart) {
  claim(1);
  write(LogIdentity{{}, 4, 1});
  auto forged = schemas::build_control(TopicAdded{TopicId{1}, "forged"});
  auto chain = state_.chain;
  chain[0] ^= 1;
  put(RecordKind::control, forged.bytes, chain);
  write(TopicAdded{TopicId{1}, "projects"});
  auto loaded = load();
  ASSERT_FALSE(loaded) << "numbers would be given twice";
  EXPECT_EQ(loaded.error().code, schemas::ErrorCode::read_only);
  EXPECT_NE(loaded.error().detail.find("offset 2"), std::string::npos) << loaded.error().detail;
}

TEST_F(TopicsTest, AControlOfALaterVersionIsPassedOver) {
  claim(1);
  write(LogIdentity{{}, 4, 1});
  std::vector<std::uint8_t> future;
  auto built = schemas::build_control(TopicAdded{TopicId{5}, "x"});
  for (std::size_t at = 0; at < built.bytes.size(); ++at) {
    future.assign(built.bytes.begin(), built.bytes.end());
    if (future[at] != 3) continue;  // the number of TopicAdded among the controls
    future[at] = 100;
    break;
  }
  put(RecordKind::control, future, state_.chain);
  write(TopicAdded{TopicId{1}, "projects"});
  ASSERT_TRUE(load());
  EXPECT_EQ(topics_.all().size(), 1u);
}

}  // namespace
}  // namespace eventstore
