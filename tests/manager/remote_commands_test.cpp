// Goal: a command that another process carries out is answered exactly once, as that process
// answered it, or with an error that says whether it may have been carried out. Method: both ends
// in this process over loopback, a handler that does as it is told behind the server, and between
// them, where a peer is to die, a relay that can be cut or fall silent.
#include "manager/remote_commands.h"

#include <gtest/gtest.h>

#include "tests/support/relay.h"
#include "tests/support/remote_fixture.h"

namespace manager {
namespace {

TEST_F(RemoteCommandsTest, AnswersComeBackAsTheyWere) {
  auto& remote = connected_remote();
  create(remote, "one");
  create(remote, "taken");
  const auto replies = replies_.wait(2);
  ASSERT_TRUE(replies.at(0).result);
  EXPECT_EQ(replies.at(0).result->row, "one");
  EXPECT_EQ(replies.at(0).result->position.offset, 1);
  const auto& error = replies.at(1).result.error();
  EXPECT_EQ(error.code, ErrorCode::slug_taken);
  EXPECT_EQ(error.detail, "the slug is taken");
  EXPECT_EQ(error.fields.at(0).where, "/slug");
  EXPECT_EQ(error.members.at(0).second, "\"taken\"");
}

TEST_F(RemoteCommandsTest, WhatComesBeforeTheConnectionIsSentWhenItStands) {
  create_many(remote(), 10);
  EXPECT_EQ(count(replies_.wait(10)), Counts({{"done", 10}}));
}

TEST_F(RemoteCommandsTest, CommandsOfASequenceKeepTheirOrder) {
  create_many(connected_remote(), 1000, std::make_shared<Sequence>());
  EXPECT_EQ(count(replies_.wait(1000)), Counts({{"done", 1000}}));
  EXPECT_EQ(peer_.made(), numbers(1000));
}

TEST_F(RemoteCommandsTest, ASequenceStopsAtItsFirstRefusal) {
  auto& remote = connected_remote();
  auto sequence = std::make_shared<Sequence>();
  create_many(remote, 300, sequence);
  create(remote, "taken", sequence);
  create_many(remote, 700, sequence);
  const auto replies = replies_.wait(1001);
  EXPECT_EQ(count(replies), Counts({{"done", 300},
                                    {text(ErrorCode::slug_taken), 1},
                                    {text(ErrorCode::overloaded), 700}}));
  EXPECT_EQ(peer_.made(), numbers(300));
  EXPECT_TRUE(sequence->refuses(301));
}

/// Lines that are sent on a second stream would find a sequence there that knows of no refusal.
TEST_F(RemoteCommandsTest, ASequenceStopsAtALostStream) {
  Relay relay(port_);
  auto& remote = connect(remote_at(relay.port()));
  auto sequence = std::make_shared<Sequence>();
  peer_.hold();
  create_many(remote, 10, sequence);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 10; }));
  relay.cut();
  EXPECT_EQ(count(replies_.wait(10)), Counts({{text(ErrorCode::outcome_unknown), 10}}));
  ASSERT_TRUE(eventually([&] { return remote.connected(); }));
  create(remote, "behind", sequence);
  EXPECT_EQ(code_of(replies_.wait(11).back().result), text(ErrorCode::overloaded));
  peer_.go_on();
  create(remote, "alone");
  replies_.wait(12);
  auto all = numbers(10);
  all.push_back("alone");
  EXPECT_EQ(peer_.made(), all);
}

TEST_F(RemoteCommandsTest, SequencesAreForgottenWhenTheyAreOver) {
  auto& remote = connected_remote();
  create(remote, "a", std::make_shared<Sequence>());
  auto kept = std::make_shared<Sequence>();
  create(remote, "b", kept);
  replies_.wait(2);
  const auto theirs = peer_.sequences();
  EXPECT_TRUE(eventually([&] { return theirs.at(0).expired(); }));
  EXPECT_FALSE(theirs.at(1).expired());
  remote_.reset();
  EXPECT_TRUE(eventually([&] { return theirs.at(1).expired(); }));
}

TEST_F(RemoteCommandsTest, NoAnswerInTimeIsAnUnknownOutcome) {
  options_.timeout = milliseconds(200);
  auto& remote = connected_remote();
  peer_.hold();
  create(remote, "slow");
  EXPECT_EQ(code_of(replies_.wait(1).at(0).result), text(ErrorCode::outcome_unknown));
  peer_.go_on();
  EXPECT_TRUE(eventually([&] { return peer_.made().size() == 1; }));
  create(remote, "next");
  EXPECT_EQ(code_of(replies_.wait(2).at(1).result), "done");
}

TEST_F(RemoteCommandsTest, APeerThatDiesLeavesUnknownOutcomes) {
  Relay relay(port_);
  auto& remote = connect(remote_at(relay.port()));
  create_many(remote, 50);
  replies_.wait(50);
  peer_.hold();
  create_many(remote, 500);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 500; }));
  relay.cut();
  EXPECT_EQ(count(replies_.wait(550)),
            Counts({{"done", 50}, {text(ErrorCode::outcome_unknown), 500}}));
  peer_.go_on();
  ASSERT_TRUE(eventually([&] { return remote.connected(); }));
  create(remote, "again");
  EXPECT_EQ(code_of(replies_.wait(551).back().result), "done");
}

TEST_F(RemoteCommandsTest, APeerThatIsSilentIsLost) {
  options_.silence_max = milliseconds(400);
  options_.connecting_max = milliseconds(200);
  Relay relay(port_);
  auto& remote = connect(remote_at(relay.port()));
  relay.fall_silent();
  create(remote, "lost");
  const auto begun = Clock::now();
  EXPECT_EQ(code_of(replies_.wait(1).at(0).result), text(ErrorCode::outcome_unknown));
  EXPECT_LT(Clock::now() - begun, seconds(5));
  // It takes connections and says nothing: what waits for one is never sent.
  EXPECT_FALSE(remote.connected());
  create(remote, "never sent");
  EXPECT_EQ(code_of(replies_.wait(2).at(1).result), text(ErrorCode::no_owner));
  EXPECT_LT(Clock::now() - begun, seconds(8)) << "long before its time is over";
}

TEST_F(RemoteCommandsTest, WhatWasNeverSentSaysSo) {
  server_.reset();
  auto& remote = remote_at(port_);
  create_many(remote, 100);
  EXPECT_EQ(count(replies_.wait(100)), Counts({{text(ErrorCode::no_owner), 100}}));
}

TEST_F(RemoteCommandsTest, APeerThatComesBackIsFoundByItself) {
  auto& remote = connected_remote();
  server_.reset();
  EXPECT_TRUE(eventually([&] { return !remote.connected(); }));
  create(remote, "nobody there");
  EXPECT_EQ(code_of(replies_.wait(1).at(0).result), text(ErrorCode::no_owner));
  serve(port_);
  EXPECT_TRUE(eventually([&] { return remote.connected(); }, seconds(3)));
  create(remote, "there again");
  EXPECT_EQ(code_of(replies_.wait(2).at(1).result), "done");
}

TEST_F(RemoteCommandsTest, WhoeverStopsAnswersEverything) {
  auto& remote = connected_remote();
  peer_.hold();
  create_many(remote, 100);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 100; }));
  remote_.reset();
  EXPECT_EQ(count(replies_.wait(100)), Counts({{text(ErrorCode::outcome_unknown), 100}}));
  peer_.go_on();
  EXPECT_TRUE(eventually([&] { return peer_.made().size() == 100; }));
}

TEST_F(RemoteCommandsTest, AServerThatStopsAnswersWhatItTook) {
  server_options_.stop_within = seconds(15);
  serve_again();
  auto& remote = connected_remote();
  peer_.hold();
  create_many(remote, 100);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 100; }));
  std::jthread stops([this] { server_.reset(); });
  std::this_thread::sleep_for(milliseconds(50));
  peer_.go_on();
  EXPECT_EQ(count(replies_.wait(100)), Counts({{"done", 100}}));
  EXPECT_EQ(peer_.made(), numbers(100));
}

TEST_F(RemoteCommandsTest, WhatAServerThatStopsHadNotTakenMayBeAskedElsewhere) {
  server_options_.unanswered_max = 10;
  server_options_.stop_within = milliseconds(50);
  serve_again();
  auto& remote = connected_remote();
  peer_.hold();
  create_many(remote, 100);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 10; }));
  server_.reset();
  EXPECT_EQ(count(replies_.wait(100)),
            Counts({{text(ErrorCode::outcome_unknown), 10}, {text(ErrorCode::no_owner), 90}}));
  peer_.go_on();
  EXPECT_TRUE(eventually([&] { return peer_.made() == numbers(10); }));
}

/// Commands come all the time while it stops: each is made, or surely not.
TEST_F(RemoteCommandsTest, NothingIsInDoubtWhenAServerStops) {
  options_.pause = milliseconds(5);
  auto& remote = connected_remote();
  std::jthread asks([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      create(remote, "any");
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  for (int round = 0; round < 20; ++round) {
    connect(remote);
    std::this_thread::sleep_for(milliseconds(5));
    server_.reset();
    serve(port_);
  }
  asks.request_stop();
  asks.join();
  auto counts = count(replies_.wait(submitted_));
  EXPECT_EQ(counts["done"], peer_.made().size());
  EXPECT_EQ(counts["done"] + counts[text(ErrorCode::no_owner)], submitted_);
  EXPECT_GT(counts["done"], 100);
}

TEST_F(RemoteCommandsTest, AServerStopsBesideCommandsThatWait) {
  server_options_.stop_within = milliseconds(100);
  serve_again();
  auto& remote = connected_remote();
  peer_.hold();
  create_many(remote, 100);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 100; }));
  server_.reset();
  EXPECT_EQ(count(replies_.wait(100)), Counts({{text(ErrorCode::outcome_unknown), 100}}));
  peer_.go_on();
  EXPECT_TRUE(eventually([&] { return peer_.made().size() == 100; }));
}

TEST_F(RemoteCommandsTest, TooMuchForAPeerIsRefused) {
  options_.waiting_max = 10;
  auto& remote = connected_remote();
  peer_.hold();
  EXPECT_FALSE(remote.overloaded(schemas::platform_organization));
  create_many(remote, 15);
  EXPECT_EQ(count(replies_.wait(5)), Counts({{text(ErrorCode::overloaded), 5}}));
  EXPECT_EQ(remote.overloaded(schemas::platform_organization)->code, ErrorCode::overloaded);
  peer_.go_on();
  replies_.wait(15);
  EXPECT_FALSE(remote.overloaded(schemas::platform_organization));
  EXPECT_EQ(peer_.made(), numbers(10));
}

TEST_F(RemoteCommandsTest, TooManyBytesForAPeerAreRefused) {
  options_.waiting_bytes_max = std::size_t{1} << 20;
  auto& remote = connected_remote();
  peer_.hold();
  const auto declare = [&](std::size_t bytes) {
    ++submitted_;
    remote.submit(context(), DeclareProduct{"product", std::string(bytes, 'x')},
                  replies_.expect("product"));
  };
  declare(std::size_t{2} << 20);
  EXPECT_TRUE(remote.overloaded(schemas::platform_organization));
  create(remote, "too much");
  EXPECT_EQ(code_of(replies_.wait(1).at(0).result), text(ErrorCode::overloaded));
  peer_.go_on();
  replies_.wait(2);
  EXPECT_FALSE(remote.overloaded(schemas::platform_organization));
  declare(std::size_t{17} << 20);
  EXPECT_EQ(code_of(replies_.wait(3).at(2).result), text(ErrorCode::record_too_large));
}

TEST_F(RemoteCommandsTest, AServerReadsNoMoreThanItMayHold) {
  server_options_.unanswered_max = 10;
  serve_again();
  auto& remote = connected_remote();
  peer_.hold();
  create_many(remote, 100);
  ASSERT_TRUE(eventually([&] { return peer_.held() == 10; }));
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(peer_.held(), 10);
  peer_.go_on();
  EXPECT_EQ(count(replies_.wait(100)), Counts({{"done", 100}}));
  EXPECT_EQ(peer_.made(), numbers(100));
}

// ---- what the asker had read ----

/// A log whose rows are as far as the test says.
class Rows {
 public:
  CommandServer::Wait wait() {
    return [this](schemas::LogId, schemas::Offset end, projections::Progress::Reached reached) {
      std::lock_guard lock(mutex_);
      if (end <= end_) return false;
      waiters_.emplace_back(end, std::move(reached));
      return true;
    };
  }
  void advance(schemas::Offset end) {
    std::vector<projections::Progress::Reached> reached;
    {
      std::lock_guard lock(mutex_);
      end_ = end;
      std::erase_if(waiters_, [&](auto& waiter) {
        if (waiter.first > end_) return false;
        reached.push_back(std::move(waiter.second));
        return true;
      });
    }
    for (auto& call : reached) call();
  }
  std::size_t waiters() {
    std::lock_guard lock(mutex_);
    return waiters_.size();
  }

 private:
  std::mutex mutex_;
  schemas::Offset end_ = 0;
  std::vector<std::pair<schemas::Offset, projections::Progress::Reached>> waiters_;
};

class RemoteRowsTest : public RemoteCommandsTest {
 protected:
  void SetUp() override {
    wait_ = rows_.wait();
    options_.seen = [this](schemas::OrganizationId) {
      return std::vector<SeenPosition>{{{schemas::TopicId{1}, 3}, seen_.load()}};
    };
    serve();
  }
  void wait_at_most(milliseconds time) {
    server_options_.wait_max = time;
    serve_again();
  }
  Rows rows_;
  std::atomic<schemas::Offset> seen_ = 0;
};

TEST_F(RemoteRowsTest, CommandsWaitForTheRowsThatTheirCallerWasKnownBy) {
  auto& remote = connected_remote();
  create(remote, "0");
  seen_ = 5;
  create(remote, "1");
  seen_ = 0;
  create(remote, "2");
  ASSERT_TRUE(eventually([&] { return rows_.waiters() == 1 && peer_.made().size() == 1; }));
  rows_.advance(4);
  EXPECT_EQ(rows_.waiters(), 1);
  rows_.advance(5);
  EXPECT_EQ(count(replies_.wait(3)), Counts({{"done", 3}}));
  EXPECT_EQ(peer_.made(), numbers(3));
}

TEST_F(RemoteRowsTest, RowsThatStandStillDoNotHoldUpEverybodyInTurn) {
  wait_at_most(milliseconds(300));
  auto& remote = connected_remote();
  seen_ = 5;
  const auto begun = Clock::now();
  create_many(remote, 100);
  EXPECT_EQ(count(replies_.wait(100)), Counts({{text(ErrorCode::mark_not_reached), 100}}));
  EXPECT_GE(Clock::now() - begun, milliseconds(300));
  EXPECT_LT(Clock::now() - begun, seconds(5));
  EXPECT_EQ(rows_.waiters(), 1);
  rows_.advance(5);
  create(remote, "now");
  EXPECT_EQ(code_of(replies_.wait(101).back().result), "done");
  // And they are waited for again as long as at first.
  seen_ = 6;
  create(remote, "later");
  ASSERT_TRUE(eventually([&] { return rows_.waiters() == 1; }));
  rows_.advance(6);
  EXPECT_EQ(code_of(replies_.wait(102).back().result), "done");
}

TEST_F(RemoteRowsTest, WhoeverHasGivenUpIsNotServed) {
  options_.timeout = milliseconds(200);
  auto& remote = connected_remote();
  seen_ = 5;
  create(remote, "given up");
  EXPECT_FALSE(replies_.wait(1).at(0).result);
  // The server counts from when it heard of it.
  std::this_thread::sleep_for(2 * options_.timeout);
  rows_.advance(5);
  create(remote, "next");
  replies_.wait(2);
  EXPECT_EQ(peer_.made(), std::vector<std::string>{"next"});
}

TEST_F(RemoteRowsTest, ALineThatWaitedInVainEndsItsSequence) {
  wait_at_most(milliseconds(50));
  auto& remote = connected_remote();
  auto sequence = std::make_shared<Sequence>();
  seen_ = 5;
  create(remote, "late", sequence);
  seen_ = 0;
  create(remote, "behind it", sequence);
  EXPECT_EQ(count(replies_.wait(2)),
            Counts({{text(ErrorCode::mark_not_reached), 1}, {text(ErrorCode::overloaded), 1}}));
  EXPECT_TRUE(peer_.made().empty());
}

}  // namespace
}  // namespace manager
