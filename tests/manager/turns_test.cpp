// Goal: who waits for the core thread gets a turn, whatever others have waiting, and too long a
// line is refused, but no hiccup and no bulk request is. Method: a clock by hand; every command
// taken costs a fixed time, every refusal none.
#include "manager/turns.h"

#include <map>

#include <gtest/gtest.h>

namespace manager {
namespace {

using std::chrono::milliseconds;

struct Item {
  eventstore::MonotonicTime since;
  schemas::OrganizationId organization;
  bool bulk = false;
  std::size_t number = 0;
};
using Line = Turns<Item>;

constexpr schemas::OrganizationId organization(std::uint8_t number) {
  schemas::Uuid bytes{};
  bytes.bytes.back() = number;
  return schemas::OrganizationId(bytes);
}

class TurnsTest : public testing::Test {
 protected:
  void add(std::size_t count, std::uint8_t of = 1, bool bulk = false) {
    for (std::size_t i = 0; i < count; ++i) line_.add({now_, organization(of), bulk, number_++});
  }
  /// One turn of the core thread.
  void turn() {
    const auto now = [this] { return now_; };
    const auto take = [this](const Item& item) {
      now_ += cost_;
      ++(item.bulk ? bulk_ : taken_);
      auto& longest = longest_[item.organization];
      if (!item.bulk) longest = std::max(longest, now_ - item.since);
      auto& order = order_[{item.organization, item.bulk}];
      EXPECT_LE(order, item.number) << "one organization's commands in another order";
      order = item.number;
    };
    line_.run(now, take, [this](const Item& item) { ++refused_[item.organization]; });
  }
  void run_dry() {
    while (!line_.empty()) turn();
  }

  std::size_t refusals() const {
    std::size_t all = 0;
    for (const auto& [organization, count] : refused_) all += count;
    return all;
  }

  Line line_;
  eventstore::MonotonicTime now_{std::chrono::hours(1)};
  milliseconds cost_{2};
  std::unordered_map<schemas::OrganizationId, eventstore::MonotonicTime::duration> longest_;
  std::map<std::pair<schemas::OrganizationId, bool>, std::size_t> order_;
  std::size_t number_ = 0;
  std::size_t taken_ = 0, bulk_ = 0;
  std::unordered_map<schemas::OrganizationId, std::size_t> refused_;
};

TEST_F(TurnsTest, ABulkRequestHoldsUpNobodyForLongerThanASlice) {
  add(1'000, 1, true);
  turn();
  add(1, 2);
  turn();
  EXPECT_EQ(taken_, 1);
  EXPECT_LE(longest_[organization(2)], Line::slice + cost_);
  run_dry();
  EXPECT_EQ(bulk_, 1'000) << "its own line is never refused";
}

TEST_F(TurnsTest, AFloodOfOneDelaysAnotherByACommandNotByItsQueue) {
  add(1'000, 1);
  add(10, 2);
  run_dry();
  EXPECT_LE(longest_[organization(2)], cost_ * 20);
  EXPECT_EQ(refused_[organization(2)], 0);
}

TEST_F(TurnsTest, BulkRequestsAreServedInTurnToo) {
  add(1'000, 1, true);
  add(2, 2, true);
  for (int i = 0; i < 2; ++i) turn();
  EXPECT_EQ((order_[{organization(2), true}]), 1'001) << "the last line of the second";
  EXPECT_LT((order_[{organization(1), true}]), 5);
}

TEST_F(TurnsTest, ManyClientsThatWaitForEachOtherAreNoOverload) {
  for (int round = 0; round < 20; ++round) {
    add(Line::many);
    run_dry();
  }
  EXPECT_EQ(taken_, 20 * Line::many);
  EXPECT_TRUE(refused_.empty());
}

TEST_F(TurnsTest, AHiccupIsNoOverload) {
  cost_ = milliseconds(0);
  add(2'000);
  now_ += std::chrono::seconds(3);
  run_dry();
  EXPECT_EQ(taken_, 2'000);
}

TEST_F(TurnsTest, TenTimesTheLoadIsShedAndWhatIsTakenDoesNotWaitLong) {
  for (int step = 0; step < 500; ++step) {
    add(20);  // every 4 ms, in which 2 are taken
    turn();
    if (step == 150) longest_.clear();
  }
  EXPECT_TRUE(line_.sheds(organization(1)));
  EXPECT_GT(refused_[organization(1)], 8'000);
  EXPECT_GT(taken_, 900) << "the core is never idle";
  EXPECT_LT(longest_[organization(1)], cost_ * Line::some * 2);
}

TEST_F(TurnsTest, OneThatSendsMoreThanSomeIsNotRefusedForTheFloodOfAnother) {
  for (int step = 0; step < 200; ++step) {
    add(20);
    turn();
  }
  ASSERT_TRUE(line_.sheds(organization(1)));
  add(2 * Line::some, 2);
  for (int step = 0; step < 200; ++step) {
    add(20);
    turn();
  }
  EXPECT_EQ(refused_[organization(2)], 0);
  EXPECT_FALSE(line_.sheds(organization(2)));
}

TEST_F(TurnsTest, ManyOrganizationsAreShedAsOneIsAndOneWithLittleWaitingIsNot) {
  constexpr std::uint8_t crowd = 40;
  for (int step = 0; step < 1'000; ++step) {
    for (std::uint8_t of = 1; of <= crowd; ++of) add(step % 2, of);  // 20 every 4 ms, 2 are taken
    add(step % 100 == 0 ? 1 : 0, 100);
    turn();
    if (step == 500) longest_.clear();
  }
  EXPECT_GT(taken_, 1'900) << "the core is never idle";
  EXPECT_LT(number_ - taken_ - refusals(), Line::many) << "they wait in a short line";
  for (std::uint8_t of = 1; of <= crowd; ++of) {
    EXPECT_LT(longest_[organization(of)], cost_ * Line::many * 2) << int{of};
  }
  EXPECT_EQ(refused_[organization(100)], 0);
  run_dry();
  EXPECT_FALSE(line_.sheds(organization(1)));
}

TEST_F(TurnsTest, AnotherOrganizationIsNotRefusedAndTheEndOfTheLoadIsTheEndOfRefusing) {
  for (int step = 0; step < 200; ++step) {
    add(20);
    add(step % 4 == 0 ? 1 : 0, 2);
    turn();
  }
  EXPECT_TRUE(line_.sheds(organization(1)));
  EXPECT_GT(refused_[organization(1)], 0);
  EXPECT_EQ(refused_[organization(2)], 0);
  run_dry();
  EXPECT_FALSE(line_.sheds(organization(1)));
  refused_.clear();
  add(Line::many);
  run_dry();
  EXPECT_TRUE(refused_.empty());
}

}  // namespace
}  // namespace manager
