// Goal: whichever instant rows are made, put in their place or erased and the process dies, what
// serves next is whole. Method: the directory in each state that a kill can leave.
#include "api/rows_directory.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace api {
namespace {

namespace fs = std::filesystem;
using schemas::ErrorCode;

class Rows : public testing::Test {
 protected:
  std::string path(const std::string& name) { return (place_.path() / name).string(); }
  std::string version(const std::string& rest = "") {
    return path(std::to_string(rows_version) + rest);
  }
  void make(const std::string& whole) {
    fs::create_directories(whole);
    std::ofstream(whole + "/CURRENT") << "here";
  }
  std::vector<std::string> whole() {
    std::vector<std::string> paths;
    for (const auto& one : directory_.whole()) paths.push_back(one.path);
    return paths;
  }
  std::string serving() {
    auto found = directory_.serving();
    EXPECT_TRUE(found);
    return found ? found->path : "";
  }

  TemporaryDirectory place_;
  RowsDirectory directory_{eventstore::posix_files(), place_.path().string()};
};

TEST_F(Rows, BeginWithoutAny) {
  EXPECT_EQ(serving(), version());
  EXPECT_TRUE(directory_.whole().empty());
}

TEST_F(Rows, MadeBesideServeOnceTheyAreInTheirPlace) {
  make(version());
  auto making = directory_.make();
  ASSERT_TRUE(making);
  make(making->path());
  EXPECT_EQ(serving(), version());
  auto done = making->finish();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->number, 1U);
  EXPECT_EQ(serving(), version(".1"));
  make(making->path());
  ASSERT_TRUE(making->finish());
  EXPECT_EQ(whole(), (std::vector{version(), version(".1"), version(".2")}));
  // Whatever serves stays, though newer ones are there.
  ASSERT_TRUE(directory_.destroy_older(1));
  EXPECT_EQ(whole(), (std::vector{version(".1"), version(".2")}));
  ASSERT_TRUE(directory_.destroy_older(2));
  EXPECT_EQ(whole(), (std::vector{version(".2")}));
  EXPECT_EQ(serving(), version(".2"));
}

TEST_F(Rows, NumbersCountAndDoNotSort) {
  for (const auto* number : {"", ".2", ".9", ".10"}) make(version(number));
  EXPECT_EQ(serving(), version(".10"));
}

TEST_F(Rows, OneProcessMakesThem) {
  auto making = directory_.make();
  ASSERT_TRUE(making);
  auto again = directory_.make();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::in_use);
}

TEST_F(Rows, WhatIsBeingMadeNeverServes) {
  auto making = directory_.make();
  make(making->path());
  EXPECT_EQ(serving(), version());
  EXPECT_TRUE(fs::exists(making->path()));
}

TEST_F(Rows, WhatIsHalfErasedIsNeverServed) {
  make(version());
  make(version(".1"));
  make(version(".gone"));
  make(version(".building.gone"));
  EXPECT_EQ(serving(), version(".1"));
  ASSERT_TRUE(directory_.destroy(version(".1")));
  EXPECT_EQ(serving(), version());
  ASSERT_TRUE(directory_.destroy_older(0));
  EXPECT_FALSE(fs::exists(version(".gone")));
  EXPECT_TRUE(fs::exists(version(".building.gone"))) << "whoever makes rows erases it";
  EXPECT_TRUE(fs::exists(version()));
}

TEST_F(Rows, OfOtherVersionsAreLeftAlone) {
  const auto old = path(std::to_string(rows_version - 1));
  make(old);
  make(version());
  ASSERT_TRUE(directory_.destroy_all());
  EXPECT_TRUE(fs::exists(old));
  EXPECT_FALSE(fs::exists(version()));
}

TEST_F(Rows, WhatIsBeingMadeIsTold) {
  auto making = directory_.make();
  making->tell({.version = rows_version,
                .records = 7,
                .records_total = 9,
                .events_per_second = 5,
                .told = schemas::Time(std::chrono::milliseconds(11))});
  const auto builds = directory_.builds();
  ASSERT_EQ(builds.size(), 1U);
  EXPECT_EQ(builds[0].version, rows_version);
  EXPECT_EQ(builds[0].records, 7U);
  EXPECT_EQ(builds[0].records_total, 9U);
  EXPECT_EQ(builds[0].events_per_second, 5U);
  EXPECT_EQ(builds[0].told, schemas::Time(std::chrono::milliseconds(11)));
  make(making->path());
  ASSERT_TRUE(making->finish());
  EXPECT_TRUE(directory_.builds().empty());
  std::ofstream(version(".progress")) << "{ torn";
  EXPECT_TRUE(directory_.builds().empty());
}

}  // namespace
}  // namespace api
