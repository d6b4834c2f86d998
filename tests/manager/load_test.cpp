// Goal: no organization and no kind of request takes all the room there is. Method: amounts in and
// out, against limits that fit on one hand.
#include "manager/load.h"

#include <gtest/gtest.h>

namespace manager {
namespace {

constexpr schemas::OrganizationId organization(std::uint8_t number) {
  schemas::Uuid bytes{};
  bytes.bytes.back() = number;
  return schemas::OrganizationId(bytes);
}

class LoadTest : public testing::Test {
 protected:
  /// How many of these enter, one by one.
  int entered(std::uint8_t of, Load::Kind kind, Load::Amount each) {
    int count = 0;
    while (load_.enter(organization(of), kind, each)) ++count;
    return count;
  }
  static constexpr auto single = Load::Kind::single;
  static constexpr auto bulk = Load::Kind::bulk;
  static constexpr Load::Amount command{.commands = 1};
  static constexpr Load::Amount byte{.bytes = 1};

  Load load_{{.all = {.commands = 16, .bytes = 160}, .of_one = {.commands = 8, .bytes = 80}}};
};

TEST_F(LoadTest, OneOrganizationTakesHalf) {
  EXPECT_EQ(entered(1, single, command), 8);
  EXPECT_EQ(entered(2, single, command), 8);
  EXPECT_EQ(entered(3, single, command), 0);
}

TEST_F(LoadTest, BulkTakesThreeQuartersOfAnOrganizationsPartAndOfAll) {
  EXPECT_EQ(entered(1, bulk, command), 6);
  EXPECT_EQ(entered(2, bulk, command), 6);
  EXPECT_EQ(entered(3, bulk, command), 0);
  EXPECT_EQ(entered(3, single, command), 4);
}

TEST_F(LoadTest, TheSameOfBytes) {
  EXPECT_EQ(entered(1, bulk, byte), 60);
  EXPECT_EQ(entered(2, bulk, byte), 60);
  EXPECT_EQ(entered(3, bulk, byte), 0);
  EXPECT_EQ(entered(3, single, byte), 40);
}

TEST_F(LoadTest, WhatLeavesMakesRoomForItsKind) {
  EXPECT_EQ(entered(1, bulk, command), 6);
  EXPECT_EQ(entered(1, single, command), 2);
  load_.leave(organization(1), single, command);
  EXPECT_EQ(entered(1, bulk, command), 0);
  load_.leave(organization(1), bulk, command);
  EXPECT_EQ(entered(1, bulk, command), 1);
}

TEST_F(LoadTest, OneOrganizationShedsWhileItHasManyUndecided) {
  const Load::Amount undecided{.commands = 1, .undecided = 1};
  for (std::uint8_t of = 1; of <= 2; ++of) EXPECT_EQ(entered(of, single, undecided), 8);
  load_.decided(organization(1), Load::Sheds::yes);
  EXPECT_TRUE(load_.sheds(organization(1), 6));
  EXPECT_FALSE(load_.sheds(organization(2), 6));
  load_.decided(organization(1), Load::Sheds::yes);
  EXPECT_FALSE(load_.sheds(organization(1), 6));
  load_.decided(organization(1), Load::Sheds::no);
  EXPECT_FALSE(load_.sheds(organization(1), 0));
}

}  // namespace
}  // namespace manager
