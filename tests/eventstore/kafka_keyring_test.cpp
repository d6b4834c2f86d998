// Goal: all processes of a log have the same keys for ever: whoever writes first counts, however
// they race, whatever fails, whenever the topic is compacted; a wrong or missing root key is told
// with its file and what to do, and a keyring that went missing is never replaced. Method: the rule
// alone over random histories of racing writers with compactions between; the topic on librdkafka's
// mock, and on real brokers where KAFKA_BROKERS names some.
#include "eventstore/kafka_keyring.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/kafka_place.h"
#include "tests/support/temporary_directory.h"

namespace eventstore::kafka {
namespace {

using schemas::bytes_of;
using testing::AllOf;
using testing::HasSubstr;

RootKey root_key(char fill = 'r') {
  return {schemas::Secret(std::string(32, fill)), "root.key", false};
}
StoredKeys with_key(std::uint32_t id, const RootKey& root = root_key()) {
  return {fingerprint_of(root.view()),
          {make_key({id, KeyPurpose::data, schemas::platform_organization}, root.view())}};
}
std::vector<std::uint8_t> sealed_of(const StoredKeys& keys, std::uint32_t id) {
  const auto found = std::ranges::find(keys.keys, id, &StoredKey::id);
  if (found == keys.keys.end()) return {};
  return {found->sealed.begin(), found->sealed.end()};
}

// ---- the rule ----

TEST(KeyringRule, TheFirstRecordOfAnIdCounts) {
  const auto a = first_keys(root_key());
  const auto b = first_keys(root_key());
  const auto c = with_key(3);
  const KeyringRecord records[] = {
      {"a", encode_keys(a)}, {"b", encode_keys(b)}, {"b", {}}, {"c", encode_keys(c)}};
  const auto reading = judge(records);
  ASSERT_TRUE(reading && reading->keys);
  EXPECT_EQ(sealed_of(*reading->keys, 1), sealed_of(a, 1));
  EXPECT_EQ(sealed_of(*reading->keys, 2), sealed_of(a, 2));
  EXPECT_EQ(sealed_of(*reading->keys, 3), sealed_of(c, 3));
  EXPECT_THAT(reading->names, testing::ElementsAre("a", "c"));
}

TEST(KeyringRule, ARotationCountsIfItIsMadeOfWhatCountsWhereItStands) {
  const auto old_root = root_key('o');
  const auto new_root = root_key('n');
  const auto first = first_keys(old_root);
  const auto third = with_key(3, old_root);
  const auto after = first_keys(new_root);
  const auto name = [&](int last) {
    return fmt::format("rotated.{:02x}.{}.x", fmt::join(fingerprint_of(old_root.view()), ""), last);
  };
  const auto root_of = [](std::vector<KeyringRecord> records) {
    const auto reading = judge(records);
    return reading && reading->keys ? std::optional(reading->keys->root) : std::nullopt;
  };
  const KeyringRecord start{"a", encode_keys(first)};
  const KeyringRecord more{"b", encode_keys(third)};
  EXPECT_EQ(root_of({start, {name(2), encode_keys(after)}}), fingerprint_of(new_root.view()));
  EXPECT_EQ(root_of({start, more, {name(2), encode_keys(after)}}), fingerprint_of(old_root.view()))
      << "key 3 would be lost";
  EXPECT_EQ(root_of({start, more, {name(3), encode_keys(after)}}), fingerprint_of(new_root.view()));
  EXPECT_EQ(root_of({{name(2), encode_keys(after)}}), std::nullopt);
  const KeyringRecord records[] = {start, {name(2), encode_keys(after)}, more};
  const auto reading = judge(records);
  ASSERT_TRUE(reading && reading->keys);
  EXPECT_EQ(reading->keys->keys.size(), 2U) << "written under the root key before, too late";
  EXPECT_THAT(reading->names, testing::ElementsAre("a", name(2)))
      << "the rotation rests on what counted before it: nobody may delete that";
  const auto other = first_keys(root_key('x'));
  EXPECT_EQ(root_of({start, {name(2), encode_keys(after)}, {name(2), encode_keys(other)}}),
            fingerprint_of(new_root.view()))
      << "of two at once the first";
}

TEST(KeyringRule, NothingIsNoKeys) {
  const auto reading = judge({});
  ASSERT_TRUE(reading);
  EXPECT_FALSE(reading->keys);
}

TEST(KeyringRule, KeysUnderAnotherRootKeyDoNotCount) {
  const auto a = first_keys(root_key());
  const KeyringRecord records[] = {{"a", encode_keys(a)},
                                   {"b", encode_keys(with_key(3, root_key('s')))}};
  EXPECT_EQ(judge(records)->keys->keys.size(), 2u);
}

TEST(KeyringRule, ADamagedRecordIsNamed) {
  auto bytes = encode_keys(first_keys(root_key()));
  bytes[30] ^= 1;
  const KeyringRecord records[] = {{"a", bytes}};
  const auto reading = judge(records);
  ASSERT_FALSE(reading);
  EXPECT_THAT(reading.error().detail, HasSubstr("record a"));
}

/// The topic as processes and the brokers' cleaner change it. Each process goes through what
/// KeyringTopic::found does, one step at a time, and may be paused between any two or die.
class Race {
 public:
  enum class Names { fresh, one_for_all, sent_twice };
  Race(std::uint64_t seed, Names names) : random_(seed), names_(names) {}

  /// Whether all readers, whenever they read, get the same.
  bool keeps_its_key() {
    std::vector<Process> processes(4);
    for (int step = 0; step < 60; ++step) {
      if (chance(6)) compact();
      if (chance(4)) land_late();
      advance(processes[random_() % processes.size()]);
      auto now = judge(kept_);
      if (!now->keys) continue;
      const auto key = sealed_of(*now->keys, 1);
      if (used_.empty()) used_ = key;
      if (used_ != key) return false;
    }
    return true;
  }

 private:
  struct Process {
    enum class Next { read, write, read_back, remove } next = Next::read;
    std::string name;
  };
  bool chance(unsigned one_in) { return random_() % one_in == 0; }

  void advance(Process& process) {
    using Next = Process::Next;
    const auto reading = judge(kept_);
    switch (process.next) {
      case Next::read:
        process.next = reading->keys ? Next::read : Next::write;
        return;
      case Next::write:
        process.name = names_ == Names::one_for_all ? "keyring" : std::to_string(++count_);
        write({process.name, encode_keys(with_key(1))});
        process.next = chance(4) ? Next::write : Next::read_back;
        return;
      case Next::read_back:
        process.next = Next::read;
        if (reading->keys &&
            std::ranges::find(reading->names, process.name) == reading->names.end())
          process.next = Next::remove;
        return;
      case Next::remove:
        write({process.name, {}});
        process.next = Next::read;
        return;
    }
  }

  /// It may land at once, later or never, whatever its writer was told.
  void write(const KeyringRecord& record) {
    if (names_ == Names::sent_twice) late_.push_back(record);
    if (chance(5)) return;
    (chance(4) ? late_ : kept_).push_back(record);
  }
  void land_late() {
    if (late_.empty()) return;
    const auto which = late_.begin() + static_cast<std::ptrdiff_t>(random_() % late_.size());
    kept_.push_back(*which);
    late_.erase(which);
  }

  /// Of each name the last record stays, where it is; deletions go in the end.
  void compact() {
    std::vector<KeyringRecord> kept;
    const bool without_deletions = chance(2);
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const auto later = std::ranges::find(kept_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                           kept_.end(), kept_[i].name, &KeyringRecord::name);
      if (later != kept_.end() || (without_deletions && kept_[i].value.empty())) continue;
      kept.push_back(kept_[i]);
    }
    kept_ = std::move(kept);
  }

  std::mt19937_64 random_;
  const Names names_;
  int count_ = 0;
  std::vector<KeyringRecord> kept_;
  std::vector<KeyringRecord> late_;  // on their way
  std::vector<std::uint8_t> used_;
};

bool changes_a_key(Race::Names names) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    if (!Race(seed, names).keeps_its_key()) return true;
  }
  return false;
}

TEST(KeyringRule, NoRaceAndNoCompactionChangesAKey) {
  EXPECT_FALSE(changes_a_key(Race::Names::fresh));
}

/// Controls: what the argument in the header rests on. With one name for all compaction would put
/// the last record in place of the first; one that is sent again would move behind another.
TEST(KeyringRule, NamesThatComeAgainOrAreSentTwiceWouldChangeKeys) {
  EXPECT_TRUE(changes_a_key(Race::Names::one_for_all));
  EXPECT_TRUE(changes_a_key(Race::Names::sent_twice));
}

// ---- the topic ----

class KeyringOnBrokers : public testing::TestWithParam<NamedKafkaPlace> {
 protected:
  std::unique_ptr<KeyringTopic> topic() const {
    auto opened = KeyringTopic::open(place_->options());
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? std::move(*opened) : nullptr;
  }
  /// A process with a data directory of its own.
  struct Process {
    TemporaryDirectory directory;
    KeyringPlace place() const { return {directory.path().string(), {}}; }
  };
  schemas::Result<Keyring> open(const KeyringPlace& place) const {
    return open_or_create_keyring(place_->options(), posix_files(), place);
  }
  static schemas::Digest digest(const Keyring& keyring) {
    return keyring.mark_key().key.sign(bytes_of("x"));
  }

  const std::unique_ptr<KafkaPlace> place_ = GetParam().make();
};

TEST_P(KeyringOnBrokers, IsMadeOnceAndFoundByAll) {
  const Process first;
  const auto made = open(first.place());
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->root_key_made(), first.directory.path().string() + "/root.key");
  const auto again = open(first.place());
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->root_key_made());
  const Process second;
  const auto other =
      open({second.directory.path().string(), first.directory.path().string() + "/root.key"});
  ASSERT_TRUE(other) << other.error().detail;
  for (const auto* keyring : {&*again, &*other}) {
    EXPECT_EQ(digest(*keyring), digest(*made));
    EXPECT_EQ(keyring->hmac_key().key.sign(bytes_of("x")),
              made->hmac_key().key.sign(bytes_of("x")));
    EXPECT_EQ(keyring->mark_key().id, 1u);
  }
}

TEST_P(KeyringOnBrokers, ProcessesThatStartAtOnceGetTheSameKeys) {
  const auto root = root_key();
  topic();  // else all but one wait for its making
  constexpr std::size_t count = 6;
  std::vector<std::optional<StoredKeys>> got(count);
  {
    std::vector<std::jthread> starts;
    for (auto& keys : got) {
      starts.emplace_back([&] {
        auto found = topic()->found(first_keys(root));
        if (found) keys = std::move(*found);
      });
    }
  }
  for (const auto& keys : got) {
    ASSERT_TRUE(keys);
    EXPECT_EQ(encode_keys(*keys), encode_keys(*got.front()));
  }
}

TEST_P(KeyringOnBrokers, WhoComesLateFindsWhatIsThere) {
  const auto first = topic()->found(first_keys(root_key()));
  // It read an empty topic before, and was stopped until now.
  ASSERT_TRUE(topic()->write({"late", encode_keys(first_keys(root_key()))}));
  const auto later = topic()->found(first_keys(root_key()));
  ASSERT_TRUE(first && later);
  EXPECT_EQ(encode_keys(*later), encode_keys(*first));
}

TEST_P(KeyringOnBrokers, KeysOfSeveralRecordsAreMergedById) {
  const auto made = topic()->found(first_keys(root_key()));
  ASSERT_TRUE(topic()->write({"7", encode_keys(with_key(7))}));
  ASSERT_TRUE(topic()->write({"5", encode_keys(with_key(5))}));
  const auto reading = topic()->read();
  ASSERT_TRUE(made && reading);
  std::vector<std::uint32_t> ids;
  for (const auto& key : reading->keys->keys) ids.push_back(key.id);
  EXPECT_THAT(ids, testing::ElementsAre(1, 2, 5, 7));
}

TEST_P(KeyringOnBrokers, ARotationIsForAllAndWhoHasTheOldRootKeyWritesNothing) {
  const Process first;
  const auto before = open(first.place());
  ASSERT_TRUE(before) << before.error().detail;
  const schemas::Entity entity{schemas::Uuid{{7}}, "secrets/TOKEN"};
  const auto place = [&](std::uint8_t organization) {
    return FieldPlace{schemas::OrganizationId(schemas::Uuid{{organization}}), schemas::Space::live,
                      "secret", entity, "value"};
  };
  const auto sealed = before->sealing().seal(place(1), "hunter2");
  ASSERT_TRUE(sealed);
  const auto rotated = rotate_root_key(place_->options(), posix_files(), first.place());
  ASSERT_TRUE(rotated) << rotated.error().detail;
  EXPECT_EQ(rotated->keys, 3U);
  EXPECT_EQ(rotated->data_keys, 1U);
  const auto late = before->sealing().seal(place(2), "x");
  ASSERT_FALSE(late) << "it would be wrapped by the root key from before";
  EXPECT_THAT(late.error().detail, HasSubstr("new root key"));
  const auto after = open(first.place());
  ASSERT_TRUE(after) << after.error().detail;
  EXPECT_EQ(digest(*after), digest(*before));
  EXPECT_EQ(after->sealing().open(place(1), *sealed)->reveal(), "hunter2");
  EXPECT_TRUE(after->sealing().seal(place(2), "x"));
  EXPECT_EQ(topic()->read()->keys->keys.size(), 5U);
  const Process other;
  const auto with_old = open({other.directory.path().string(), rotated->old_root_key});
  ASSERT_FALSE(with_old);
  EXPECT_THAT(with_old.error().detail, HasSubstr("every process needs the same root key"));
  const auto again = rotate_root_key(place_->options(), posix_files(), first.place());
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(open(first.place())->sealing().open(place(1), *sealed)->reveal(), "hunter2");
}

TEST_P(KeyringOnBrokers, DataKeysOfSeveralProcessesHaveIdsOfTheirOwnAndOpenEverywhere) {
  constexpr std::size_t count = 4;
  const Process first;
  const auto root = first.directory.path().string() + "/root.key";
  std::vector<Keyring> keyrings;
  std::vector<Process> others(count - 1);
  keyrings.push_back(*open(first.place()));
  for (const auto& other : others) {
    keyrings.push_back(*open({other.directory.path().string(), root}));
  }
  // All know keys 1 and 2 only, so all want to make key 3.
  const schemas::Entity entity{schemas::Uuid{{7}}, "secrets/TOKEN"};
  const auto place = [&](std::uint8_t organization) {
    return FieldPlace{schemas::OrganizationId(schemas::Uuid{{organization}}), schemas::Space::live,
                      "secret", entity, "value"};
  };
  std::vector<std::string> sealed(count);
  {
    std::vector<std::jthread> processes;
    for (std::uint8_t i = 0; i < count; ++i) {
      processes.emplace_back([&, i] {
        auto done = keyrings[i].sealing().seal(place(i), "hunter2");
        if (done) sealed[i] = std::move(*done);
      });
    }
  }
  for (std::uint8_t i = 0; i < count; ++i) {
    for (const auto& keyring : keyrings) {
      const auto opened = keyring.sealing().open(place(i), sealed[i]);
      ASSERT_TRUE(opened) << opened.error().detail;
      EXPECT_EQ(opened->reveal(), "hunter2");
    }
  }
  const auto reading = topic()->read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->keys->keys.size(), 2 + count);
}

TEST_P(KeyringOnBrokers, AnotherRootKeyIsToldWithItsFile) {
  const Process first;
  ASSERT_TRUE(open(first.place()));
  const Process second;
  const auto missing = open(second.place());
  ASSERT_FALSE(missing);
  const auto path = second.directory.path().string() + "/root.key";
  EXPECT_THAT(missing.error().detail,
              AllOf(HasSubstr(path), HasSubstr("keyring"), HasSubstr("every process")));
  ASSERT_FALSE(std::filesystem::exists(path)) << "made where it can be of no use";
  ASSERT_TRUE(make_root_key(posix_files(), path));
  const auto other = open(second.place());
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().detail, AllOf(HasSubstr("another root key than " + path),
                                          HasSubstr("every process needs the same")));
}

TEST_P(KeyringOnBrokers, ANamedRootKeyIsNotMade) {
  const Process process;
  const auto path = process.directory.path().string() + "/named.key";
  const auto refused = open({process.directory.path().string(), path});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("there is no root key " + path));
  EXPECT_FALSE(*topic()->log_has_records());
  EXPECT_FALSE(topic()->read()->keys);
}

INSTANTIATE_TEST_SUITE_P(Places, KeyringOnBrokers, testing::ValuesIn(kafka_broker_places()),
                         [](const auto& place) { return place.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KeyringOnBrokers);

class KeyringOnMock : public KeyringOnBrokers {};

TEST_P(KeyringOnMock, WhatFailsIsTriedAgainUnderAnotherName) {
  place_->refuse_next(2);
  const auto made = topic()->found(first_keys(root_key()));
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(encode_keys(*topic()->read()->keys), encode_keys(*made));
}

TEST_P(KeyringOnMock, KeysThatNobodyAcknowledgedAreNotUsed) {
  place_->refuse_next(1'000);
  const auto refused = topic()->found(first_keys(root_key()));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("start the brokers that are down"));
}

TEST_P(KeyringOnMock, ALogWithoutItsKeyringIsNotGivenAnother) {
  // A record in tm.log, and none in tm.keyring.
  ASSERT_TRUE(place_->put("tm.log", "x"));
  const Process process;
  const auto refused = open(process.place());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail,
              AllOf(HasSubstr("tm.keyring is empty"), HasSubstr("restore")));
  EXPECT_FALSE(std::filesystem::exists(process.directory.path() / "root.key"));
}

INSTANTIATE_TEST_SUITE_P(Mock, KeyringOnMock, testing::ValuesIn(kafka_mock_places()),
                         [](const auto& place) { return place.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KeyringOnMock);

}  // namespace
}  // namespace eventstore::kafka
