// Goal: what contention_test.cpp asks of processes over a log in memory, of real logs on Kafka: two
// or three processes, each with threads and connections of its own, on librdkafka's mock cluster.
// Method: seeded schedules of commands and faults (errors, late answers, another leader, a broker
// that is away, records that come late, processes that stand still or die), each followed by the
// same trial. Time is real here: a seed gives the same course, not the same instants. Schedules of
// one log follow each other; as many logs as workers at once.

#include <atomic>
#include <future>
#include <mutex>
#include <random>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "projections/memory_store.h"
#include "tests/manager/contention_judge.h"
#include "tests/support/kafka_harness.h"

namespace manager {
namespace {

// The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)

using namespace std::chrono_literals;
using eventstore::KafkaMockHarness;
using eventstore::StoredRecord;
using schemas::LogId;
using schemas::OrganizationId;

constexpr std::uint16_t partition_count = 2;
constexpr int brokers = 2;
constexpr int organizations = 4;
constexpr int steps = 60;
constexpr std::uint64_t schedules_of_a_log = 10;
constexpr auto answered_within = 60s;

struct Mood final : Ownership {
  Standing of(LogId) const override { return standing; }
  std::atomic<Standing> standing = Standing::ours;
};

/// One process: a core on its own thread, and a log with its.
class Process {
 public:
  Process(const eventstore::kafka::Options& options, std::uint64_t life)
      : core(Core::Options{.executor = context_.get_executor(),
                           .clock = eventstore::system_clock(),
                           .nonce =
                               [life](LogId log, const schemas::Epoch& epoch) {
                                 return life * 0x9e3779b97f4a7c15 + log.partition * 31 +
                                        static_cast<std::uint64_t>(epoch.offset + 2) * 1'000'003;
                               },
                           .process = "process",
                           .rows = rows,
                           .on_applied = {},
                           .ownership = &mood}) {
    auto opened = eventstore::KafkaLog::open(options, core.observer());
    ENSURE(opened);
    log = std::move(*opened);
    core.attach(*log);
    const auto caught_up = core.catch_up();
    EXPECT_TRUE(caught_up) << caught_up.error().detail;
    thread_ = std::thread([this] { context_.run(); });
  }
  /// Killed: what it sent may arrive, and nobody is answered.
  ~Process() {
    context_.stop();
    thread_.join();
    log.reset();
  }

  /// Runs it on the core thread, and waits.
  template <typename Work>
  auto on_core(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto done = task.get_future();
    boost::asio::post(context_, [&task] { task(); });
    return done.get();
  }
  void stand_still(std::chrono::milliseconds time) {
    boost::asio::post(context_, [time] { std::this_thread::sleep_for(time); });
  }
  void tick() {
    boost::asio::post(context_, [this] {
      core.tick();
      core.rebalance();
    });
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      context_.get_executor()};

 public:
  projections::MemoryStore rows;
  Mood mood;
  Core core;
  std::unique_ptr<eventstore::Log> log;

 private:
  std::thread thread_;
};

/// A log and its processes, through some schedules.
class Course {
 public:
  explicit Course(std::uint64_t seed) : random_(seed), harness_(brokers) {
    for (const auto product : eventstore::built_in_products) {
      harness_.create(("tm." + std::string(product)).c_str(), partition_count, brokers);
    }
    harness_.options.outcome_after = 1s;
    processes_.resize(2 + random_() % 2);
    for (auto& process : processes_) process = fresh();
    found();
  }

  void run(std::uint64_t seed) {
    random_.seed(seed);
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
    end();
    if (!testing::Test::HasFailure()) check();
  }
  const Judge::Found& found_by_judge() const { return found_; }

 private:
  std::unique_ptr<Process> fresh() {
    return std::make_unique<Process>(harness_.options, life_base_ + ++lives_);
  }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  Process& any() { return *processes_[random_() % processes_.size()]; }

  void found();
  void step();
  void send();
  void fault();
  void bad_answer();
  void zombie();
  void end();
  void check();
  bool all_answered();
  bool are_level(const Process& last);

  std::mt19937_64 random_;
  KafkaMockHarness harness_;
  std::uint64_t life_base_ = random_();
  std::uint64_t lives_ = 0;
  std::vector<std::unique_ptr<Process>> processes_;
  std::mutex mutex_;  // over replies
  std::vector<Sent> sent_;
  std::vector<const Process*> asked_;  // who was asked each of them; null: it died
  std::vector<StoredRecord> past_;     // what stood there after an earlier schedule
  Judge::Found found_;
};

void Course::found() {
  auto& first = *processes_.front();
  const auto until = std::chrono::steady_clock::now() + answered_within;
  while (!first.on_core([&] { return first.core.founded(); })) {
    std::promise<Result<void>> done;
    first.on_core([&] {
      first.core.found(partition_count, [&](Result<void> result) { done.set_value(result); });
    });
    done.get_future().wait();
    ASSERT_LT(std::chrono::steady_clock::now(), until);
  }
  for (auto& process : processes_) {
    while (!process->on_core([&] { return process->core.founded(); })) {
      process->tick();
      std::this_thread::sleep_for(2ms);
      ASSERT_LT(std::chrono::steady_clock::now(), until);
    }
  }
}

void Course::step() {
  if (chance(20)) return fault();
  if (chance(60)) return send();
  if (chance(30)) any().tick();
  std::this_thread::sleep_for(std::chrono::microseconds(random_() % 4'000));
}

void Course::send() {
  auto& process = any();
  Sent sent{"c" + std::to_string(sent_.size()), std::make_shared<Reply>()};
  if (!sent_.empty() && chance(20)) sent.correlation = sent_[random_() % sent_.size()].correlation;
  const auto number = std::hash<std::string>()(sent.correlation);
  const OrganizationId organization(schemas::Uuid{{std::uint8_t(1 + number % organizations)}});
  auto context = with_key(of(organization), sent.correlation);
  context.correlation = sent.correlation;
  process.core.commands().submit(std::move(context),
                                 CreateProject{"a project", "slug-" + std::to_string(number % 400)},
                                 [this, reply = sent.reply](Result<Outcome> result) {
                                   const std::lock_guard lock(mutex_);
                                   EXPECT_FALSE(reply->here()) << "answered twice";
                                   reply->result = std::move(result);
                                 });
  const std::lock_guard lock(mutex_);
  sent_.push_back(std::move(sent));
  asked_.push_back(&process);
}

void Course::bad_answer() {
  static constexpr rd_kafka_resp_err_t answers[] = {
      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
      RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER};
  harness_.answer_next({answers[random_() % std::size(answers)]});
}

/// Somebody who is dead, or was given up, sends what he sent before.
void Course::zombie() {
  if (past_.empty()) return;
  const auto& record = past_[random_() % past_.size()];
  const auto topic = "tm." + processes_.front()->core.topics().name(record.log.topic);
  if (record.log.topic == schemas::log_topic) return;
  harness_.send({record.log, record.offset, record.head, record.payload}, topic);
}

void Course::fault() {
  auto& place = processes_[random_() % processes_.size()];
  const LogId projects{*place->core.topics().find(eventstore::projects_product),
                       static_cast<std::uint16_t>(random_() % partition_count)};
  switch (random_() % 16) {
    case 0:
    case 1:
    case 2:
      return bad_answer();
    case 3:
    case 4:
      return harness_.answer_late(std::chrono::milliseconds(5 + random_() % 100),
                                  1 + static_cast<int>(random_() % brokers));
    case 5:
    case 6:
      return harness_.lead("tm.projects", projects, 1 + static_cast<int>(random_() % brokers));
    case 7:
      harness_.go_down();
      std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 50));
      return harness_.come_up();
    case 8:
    case 9:
    case 10:
      return zombie();
    case 11:
    case 12:
      return place->stand_still(std::chrono::milliseconds(10 + random_() % 60));
    case 13: {
      {
        const std::lock_guard lock(mutex_);
        std::ranges::replace(asked_, std::as_const(place).get(), nullptr);
      }
      place.reset();
      place = fresh();
      return;
    }
    default:
      place->mood.standing = static_cast<Ownership::Standing>(random_() % 3);
  }
}

bool Course::all_answered() {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    if (!sent_[i].reply->here() && asked_[i] != nullptr) return false;
  }
  return true;
}

/// No more faults: whoever lives must answer.
void Course::end() {
  harness_.come_up();
  harness_.refuse_no_more();
  for (auto& process : processes_) process->mood.standing = Ownership::Standing::ours;
  const auto until = std::chrono::steady_clock::now() + answered_within;
  while (!all_answered()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "somebody is not answered";
    for (auto& process : processes_) process->tick();
    std::this_thread::sleep_for(5ms);
  }
}

/// Whether everybody has folded all that there is.
bool Course::are_level(const Process& last) {
  return std::ranges::all_of(last.log->partitions(), [&](LogId log) {
    const auto end = last.log->durable_end(log);
    return std::ranges::all_of(processes_, [&](const auto& process) {
      return process->log->durable_end(log) == end &&
             process->core.progress().applied_end(log) == end;
    });
  });
}

void Course::check() {
  const auto last = fresh();
  const auto until = std::chrono::steady_clock::now() + answered_within;
  while (!are_level(*last)) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "somebody does not see all";
    std::this_thread::sleep_for(5ms);
  }
  std::vector<eventstore::ReadFrom> from;
  for (const auto log : last->log->partitions()) from.push_back({log, 0});
  auto records = eventstore::read_all(*last->log, from);
  ASSERT_TRUE(records) << records.error().detail;
  Judge judge;
  for (const auto& record : *records) {
    judge.read(record.log, record.offset, record.head, record.payload.bytes());
  }
  past_ = std::move(*records);
  const std::lock_guard lock(mutex_);
  judge.compare(sent_);
  found_ = judge.found;  // of the whole log
  const auto hash = last->on_core([&] { return projections::state_hash(last->rows); });
  for (auto& process : processes_) {
    EXPECT_EQ(process->on_core([&] { return projections::state_hash(process->rows); }), hash);
  }
}

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const auto* asked = std::getenv(name);
  return asked ? std::strtoull(asked, nullptr, 10) : otherwise;
}

TEST(SlowContentionOnTheMock, KeepsEveryPromiseInEverySchedule) {
// The sanitizers are there for the path, the number for the promises.
#if __has_feature(address_sanitizer)
  constexpr std::uint64_t usual = 100;
#else
  constexpr std::uint64_t usual = 500;
#endif
  const auto schedules = number_of("MOCK_SCHEDULES", usual);
  const auto workers = number_of("MOCK_WORKERS", 6);
  std::atomic<std::uint64_t> next = 0;
  std::mutex mutex;
  Judge::Found found;
  std::vector<std::thread> threads;
  const auto begun = std::chrono::steady_clock::now();
  for (std::uint64_t worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&] {
      while (!testing::Test::HasFailure()) {
        const auto first = next.fetch_add(schedules_of_a_log);
        if (first >= schedules) return;
        Course course(first);
        for (auto seed = first; seed < std::min(schedules, first + schedules_of_a_log); ++seed) {
          if (testing::Test::HasFailure()) return;
          SCOPED_TRACE("seed " + std::to_string(seed));
          course.run(seed);
        }
        const std::lock_guard lock(mutex);
        found += course.found_by_judge();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  fmt::print("{} schedules in {:.0f} s: {} acknowledged, {} void, {} forks without sequences\n",
             schedules, took.count(), found.acknowledged, found.voids,
             found.forks_without_sequence);
  EXPECT_GT(found.acknowledged, 5 * schedules);
  EXPECT_GT(found.voids, schedules);
  EXPECT_GT(found.forks_without_sequence, 0) << "the control, epochs without sequences, must fork";
}

#endif

}  // namespace
}  // namespace manager
