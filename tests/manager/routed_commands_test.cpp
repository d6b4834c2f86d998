// Goal: a command goes to whoever should write its partition, is asked again while nobody does, not
// too often and not for ever, and what others wrote is answered once the rows here have it. Method:
// two processes that answer what the test says, and a real executor.
#include "manager/routed_commands.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "schemas/controls.h"

namespace manager {
namespace {

using namespace std::chrono_literals;
using schemas::LogId;
using schemas::OrganizationId;
using schemas::Result;
using schemas::TopicId;

const OrganizationId acme(schemas::Uuid{{1}});
constexpr TopicId projects{2};
constexpr std::uint16_t partitions = 4;
const LogId log{projects, schemas::partition_of(acme, partitions)};

/// Answers at once, from a list, the last of it again and again.
class Answering final : public Commands {
 public:
  explicit Answering(std::vector<std::optional<ErrorCode>> answers)
      : answers_(std::move(answers)) {}

  void submit(CommandContext context, Command, Done done) override {
    if (context.sequence) context.sequence->next();
    const auto answer = answers_[std::min(asked++, answers_.size() - 1)];
    if (answer) return done(schemas::fail(*answer, "not now"));
    Outcome outcome{};
    outcome.position.log = log;
    outcome.position.offset = 0;
    done(std::move(outcome));
  }
  std::optional<schemas::Error> overloaded(OrganizationId) override { return {}; }

  std::size_t asked = 0;

 private:
  std::vector<std::optional<ErrorCode>> answers_;
};

class RoutedCommandsTest : public testing::Test {
 protected:
  RoutedCommandsTest() {
    topics_.apply(schemas::LogIdentity{{}, partitions, 1});
    topics_.apply(schemas::TopicAdded{projects, "projects"});
  }
  using Answers = std::vector<std::optional<ErrorCode>>;
  std::shared_ptr<Answering> answering(Answers answers) {
    return std::make_shared<Answering>(std::move(answers));
  }
  /// The answer, or none within that time.
  std::optional<Result<Outcome>> run(std::chrono::milliseconds within,
                                     std::shared_ptr<Sequence> sequence = {}) {
    RoutedCommands commands(
        {.executor = context_.get_executor(),
         .local = *local_,
         .topics = topics_,
         .progress = progress_,
         .where = [this](LogId) -> std::shared_ptr<Commands> { return remote_; }});
    std::optional<Result<Outcome>> answer;
    commands.submit({.organization = acme, .sequence = std::move(sequence)}, CreateProject{"a", {}},
                    [&](Result<Outcome> result) {
                      answer = std::move(result);
                      context_.stop();
                    });
    begun_ = std::chrono::steady_clock::now();
    if (!answer) context_.run_for(within);
    took_ = std::chrono::steady_clock::now() - begun_;
    // What still waits must not come back to what is gone.
    context_.stop();
    return answer;
  }

  boost::asio::io_context context_;
  eventstore::Topics topics_;
  projections::Progress progress_;
  std::shared_ptr<Answering> local_ = answering({std::nullopt});
  std::shared_ptr<Answering> remote_;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::duration took_{};
};

TEST_F(RoutedCommandsTest, WhatThisProcessWritesIsAnsweredAsItAnswers) {
  const auto answer = run(1s);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(local_->asked, 1u);
}

TEST_F(RoutedCommandsTest, WhileAPartitionMovesItIsAskedAgain) {
  remote_ = answering({ErrorCode::not_owner, ErrorCode::no_owner, ErrorCode::mark_not_reached,
                       ErrorCode::slug_taken});
  const auto answer = run(5s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::slug_taken);
  EXPECT_EQ(remote_->asked, 4u);
  EXPECT_EQ(local_->asked, 0u);
}

TEST_F(RoutedCommandsTest, WhatMayHaveBeenCarriedOutIsNotAskedAgain) {
  for (const auto code :
       {ErrorCode::outcome_unknown, ErrorCode::overloaded, ErrorCode::read_only}) {
    context_.restart();
    remote_ = answering({code});
    const auto answer = run(1s);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error().code, code);
    EXPECT_EQ(remote_->asked, 1u);
  }
}

TEST_F(RoutedCommandsTest, WithoutAnOwnerItIsAskedSeldomAndRefusedInTheEnd) {
  remote_ = answering({ErrorCode::not_owner});
  const auto answer = run(2 * RoutedCommands::patience);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::no_owner) << "not_owner is between processes";
  EXPECT_GE(took_, RoutedCommands::patience);
  EXPECT_LE(remote_->asked, 40u);
}

TEST_F(RoutedCommandsTest, ALineOfASequenceIsAskedOnce) {
  remote_ = answering({ErrorCode::not_owner});
  const auto answer = run(1s, std::make_shared<Sequence>());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::no_owner);
  EXPECT_EQ(remote_->asked, 1u);
}

TEST_F(RoutedCommandsTest, ASequenceStaysWithWhoGotItsFirstLine) {
  auto sequence = std::make_shared<Sequence>();
  ASSERT_TRUE(*run(1s, sequence));
  context_.restart();
  remote_ = answering({std::nullopt});
  const auto answer = run(1s, sequence);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::no_owner);
  EXPECT_EQ(remote_->asked, 0u);
  EXPECT_TRUE(sequence->refuses(sequence->next())) << "and nothing behind it is tried";
}

TEST_F(RoutedCommandsTest, WhatOthersWroteIsAnsweredOnceTheRowsHaveIt) {
  remote_ = answering({std::nullopt});
  boost::asio::steady_timer timer(context_, 100ms);
  timer.async_wait([&](auto) {
    eventstore::PartitionState state;
    state.next_offset = 1;
    progress_.advance(log, state, {});
  });
  ASSERT_TRUE(*run(1500ms));
  EXPECT_GE(took_, 90ms);
}

TEST_F(RoutedCommandsTest, RowsThatDoNotComeHoldUpTheAnswerOnlySoLong) {
  remote_ = answering({std::nullopt});
  ASSERT_TRUE(*run(10s));
  EXPECT_GE(took_, RoutedCommands::visible_within);
}

}  // namespace
}  // namespace manager
