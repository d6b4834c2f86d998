// Goal: no more are let in than there is room for, in all and of one organization; those in line go
// in their order and organizations in turn; and what waits at the end ends with its context.
// Method: coroutines on one context, which leave when the test says so.
#include "api/resources/turnstile.h"

#include <map>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

namespace api::resources {
namespace {

using Names = std::vector<std::string>;

constexpr schemas::OrganizationId organization(char letter) {
  schemas::Uuid bytes{};
  bytes.bytes.back() = static_cast<std::uint8_t>(letter);
  return schemas::OrganizationId(bytes);
}

class TurnstileTest : public testing::Test {
 protected:
  /// Of a name, the first letter is the organization.
  void come(const Names& names) {
    for (const auto& name : names) {
      asio::co_spawn(*context_, enter(name, std::make_shared<Alive>(alive_)), asio::detached);
    }
    run();
  }
  void leave(const std::string& name) {
    ASSERT_EQ(inside_.erase(name), 1);
    run();
  }
  void run() {
    context_->restart();
    context_->poll();
  }

  struct Alive {
    explicit Alive(int& its_count) : count(its_count) { ++count; }
    ~Alive() { --count; }
    Alive(const Alive&) = delete;
    Alive& operator=(const Alive&) = delete;
    int& count;
  };
  awaitable<void> enter(std::string name, [[maybe_unused]] std::shared_ptr<Alive> alive) {
    auto inside = co_await turnstile_.enter(organization(name.front()));
    entered_.push_back(name);
    inside_.emplace(std::move(name), std::move(inside));
  }

  int alive_ = 0;
  Turnstile turnstile_{{.all = 3, .each = 2}};
  std::unique_ptr<asio::io_context> context_ = std::make_unique<asio::io_context>(1);
  Names entered_;
  std::map<std::string, Turnstile::Inside> inside_;
};

TEST_F(TurnstileTest, LetsInAsManyAsThereIsRoomFor) {
  come({"a1", "b1", "c1", "d1", "e1"});
  EXPECT_EQ(entered_, Names({"a1", "b1", "c1"}));
  leave("b1");
  EXPECT_EQ(entered_, Names({"a1", "b1", "c1", "d1"}));
  leave("a1");
  leave("c1");
  leave("d1");
  EXPECT_EQ(entered_.size(), 5);
}

TEST_F(TurnstileTest, LeavesRoomForOtherOrganizations) {
  come({"a1", "a2", "a3", "a4"});
  EXPECT_EQ(entered_, Names({"a1", "a2"}));
  come({"b1"});
  EXPECT_EQ(entered_, Names({"a1", "a2", "b1"}));
  leave("b1");
  EXPECT_EQ(entered_.size(), 3);
  leave("a2");
  EXPECT_EQ(entered_.back(), "a3");
}

TEST_F(TurnstileTest, OrganizationsGoInTurnAndOfOneTheFirstGoesFirst) {
  come({"a1", "a2", "c1", "a3", "a4", "a5", "b1", "b2", "a6"});
  for (std::size_t next = 0; next < entered_.size(); ++next) leave(entered_[next]);
  EXPECT_EQ(entered_, Names({"a1", "a2", "c1", "a3", "b1", "a4", "b2", "a5", "a6"}));
}

TEST_F(TurnstileTest, WhoHasLeftMakesRoomAgain) {
  for (int round = 0; round < 3; ++round) {
    come({"a1", "a2", "b1"});
    EXPECT_EQ(inside_.size(), 3) << "round " << round;
    inside_.clear();
  }
}

TEST_F(TurnstileTest, WhatWaitsAtTheEndEndsWithItsContext) {
  come({"a1", "a2", "a3", "b1", "b2", "c1"});
  EXPECT_EQ(inside_.size(), 3);
  EXPECT_EQ(alive_, 3);
  context_->stop();
  turnstile_.close();
  inside_.clear();
  context_.reset();
  EXPECT_EQ(alive_, 0);
}

}  // namespace
}  // namespace api::resources
