// Goal: a copy has the same records at the same offsets, whatever was copied from where, void ones
// included; what was interrupted goes on; what cannot be copied is refused, and changes nothing.
// Method: a history of contending managers by hand, and a random one, between every two backends;
// record by record and state by state compared; a target that is killed after every few records.

#include "eventstore/log_copy.h"

#include <random>

#include <gtest/gtest.h>

#include "eventstore/kafka_client.h"
#include "schemas/crypto.h"
#include "tests/support/kafka_harness.h"
#include "tests/support/log_fixture.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;

constexpr TopicId blue{3};
constexpr TopicId red{9};
constexpr std::uint16_t partitions = 8;
constexpr std::string_view there = "elsewhere";

/// A log of some backend with the writer that watches it; may be killed and opened again.
struct Store {
  explicit Store(std::unique_ptr<LogHarness> made) : harness(std::move(made)) { open(); }
  ~Store() {
    if (!log->read_only()) log->close();  // one that stopped has nothing to drain
    log.reset();
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void open() {
    writer = std::make_unique<RecordWriter>();
    log = harness->open(*writer);
    writer->attach(*log);
  }
  void kill() { harness->kill(std::move(log)); }
  void kill_and_open() {
    kill();
    open();
  }
  LogCopy::Side side() { return {*log, *writer}; }
  void write(std::vector<Append> records) {
    for (auto& record : records) ASSERT_TRUE(writer->append(std::move(record)));
    const auto durable = writer->wait();
    ASSERT_TRUE(durable) << durable.error().detail;
  }
  void write(Append record) {
    std::vector<Append> records;
    records.push_back(std::move(record));
    write(std::move(records));
  }

  std::unique_ptr<LogHarness> harness;
  std::unique_ptr<RecordWriter> writer;
  std::unique_ptr<Log> log;
};

Append control(PartitionWriter& writer, const schemas::Control& control) {
  const auto built = schemas::build_control(control);
  auto append =
      writer.noop({reinterpret_cast<const char*>(built.bytes.data()), built.bytes.size()});
  append.head.kind = RecordKind::control;
  return append;
}

/// What the birth of a log leaves, on top of a claim.
void found(Store& store) {
  for (const auto& topic : {Topic{log_topic, "log", 1}, Topic{blue, "blue", partitions},
                            Topic{red, "red", partitions}}) {
    ASSERT_TRUE(store.log->make_topic(topic, MayHold::records));
    const auto opened = store.log->open_topic(topic);
    ASSERT_TRUE(opened) << opened.error().detail;
  }
  PartitionWriter log(log_partition);
  schemas::Uuid id;
  id.bytes.fill(0x17);
  store.write(log.claim(1));
  store.write(control(log, schemas::LogIdentity{id, partitions, 1}));
  store.write(control(log, schemas::TopicAdded{blue, "blue"}));
  store.write(control(log, schemas::TopicAdded{red, "red"}));
}

/// Managers that replace each other, and what those leave that do not know it yet.
class Managers {
 public:
  explicit Managers(LogId log) : now_(log), old_(log) {}

  Append next(std::mt19937& random) {
    const auto what = random() % 10;
    if (now_.state().epoch.offset < 0 || what == 0) {
      old_ = now_;
      return now_.claim(random());
    }
    if (what == 1) return late(of_nobody());
    if (what == 2) return late(old_.noop("late"));
    if (what == 3) return late(PartitionWriter(old_).claim(random()));
    if (what == 4) {
      auto ahead = now_;
      ahead.noop("a hole");
      return late(ahead.events(R"({"too":"far"})"));
    }
    if (what == 5) return now_.noop("confirms itself");
    return now_.events(R"({"text":")" + std::string(random() % 4'000, 'x') + R"("})");
  }

 private:
  /// Under an epoch that never was, at the offset of one that was.
  Append of_nobody() {
    auto record = PartitionWriter(now_).noop("of nobody");
    record.head.epoch.nonce ^= 1;
    return record;
  }

  /// A record that comes too late stands at the next offset nevertheless.
  Append late(Append record) {
    auto state = now_.state();
    record.expected = state.next_offset;
    EXPECT_TRUE(is_void(state.apply(record.expected, record.head, record.payload.bytes())));
    now_.set_state(state);
    return record;
  }

  PartitionWriter now_;
  PartitionWriter old_;
};

void write_history(Store& store, std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::map<LogId, Managers> managers;
  std::vector<Append> records;
  for (std::size_t i = 0; i < count; ++i) {
    const LogId log{random() % 2 == 0 ? blue : red,
                    static_cast<std::uint16_t>(random() % partitions)};
    records.push_back(managers.try_emplace(log, log).first->second.next(random));
  }
  store.write(std::move(records));
}

schemas::Result<LogCopy::Report> copy(Store& from, Store& to, LogCopy::Options options = {}) {
  if (options.to.empty()) options.to = there;
  LogCopy copying(from.side(), to.side(), std::move(options));
  if (auto prepared = copying.prepare(); !prepared) return schemas::fail(prepared.error());
  if (auto copied = copying.copy(); !copied) return schemas::fail(copied.error());
  if (auto ended = copying.end_source(); !ended) return schemas::fail(ended.error());
  return copying.report();
}

/// No record of ours.
[[maybe_unused]] void send_foreign_message(const std::string& brokers, LogId log) {
  const auto told = [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    EXPECT_EQ(message->err, RD_KAFKA_RESP_ERR_NO_ERROR);
  };
  const auto producer = kafka::make_producer({.brokers = brokers, .properties = {}}, told, nullptr);
  ASSERT_TRUE(producer);
  const kafka::TopicHandle topic(rd_kafka_topic_new(producer->get(), "tm.blue", nullptr));
  std::string text = "hello";
  ASSERT_EQ(rd_kafka_produce(topic.get(), log.partition, RD_KAFKA_MSG_F_COPY, text.data(),
                             text.size(), nullptr, 0, nullptr),
            0);
  ASSERT_EQ(rd_kafka_flush(producer->get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

using Shown = std::map<std::pair<LogId, Offset>, std::string>;

/// Every record of every partition, all bytes of it.
Shown shown(Store& store) {
  Shown shown;
  std::vector<ReadFrom> all;
  for (const auto log : store.log->partitions()) all.push_back({log, 0});
  auto records = read_all(*store.log, all);
  EXPECT_TRUE(records) << records.error().detail;
  for (const auto& record : *records) {
    std::array<std::uint8_t, RecordHead::size_bytes> head;
    record.head.encode(head);
    auto& text = shown[{record.log, record.offset}];
    text.assign(head.begin(), head.end());
    text += text_of_payload(record);
  }
  return shown;
}

struct Route {
  Backend from;
  Backend to;
};

class LogCopying : public testing::TestWithParam<Route> {
 protected:
  Store from_{GetParam().from.make()};
  Store to_{GetParam().to.make()};
};

TEST_P(LogCopying, gives_the_same_records_at_the_same_offsets) {
  found(from_);
  write_history(from_, 2'000, 7);
  const auto before = shown(from_);
  const auto report = copy(from_, to_);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->records, before.size());
  EXPECT_EQ(report->fillers, 0);
  EXPECT_EQ(shown(to_), before);
  for (const auto log : to_.log->partitions()) {
    if (log != log_partition) EXPECT_EQ(to_.log->state(log), from_.log->state(log));
  }
}

TEST_P(LogCopying, ends_the_source_with_where_it_went) {
  found(from_);
  write_history(from_, 20, 7);
  ASSERT_TRUE(copy(from_, to_));
  const auto end = from_.log->durable_end(log_partition);
  ASSERT_EQ(end, to_.log->durable_end(log_partition) + 2);
  const auto last = from_.log->read_one(log_partition, end - 1);
  const auto moved = schemas::read_control(last->payload.bytes());
  ASSERT_TRUE(moved);
  EXPECT_EQ(std::get<schemas::Moved>(*moved).to, there);
  EXPECT_EQ(from_.log->state(log_partition).sequence, 1);  // it counts

  from_.kill_and_open();
  Topics topics;
  ASSERT_TRUE(load_topics(*from_.log, topics));
  EXPECT_EQ(topics.moved_to(), there);
  ASSERT_TRUE(from_.log->read_only());
  EXPECT_TRUE(from_.log->read_only()->detail.contains("this log has moved to elsewhere"));
  PartitionWriter writer({blue, 1}, from_.log->state({blue, 1}));
  ASSERT_TRUE(from_.writer->append(writer.claim(9)));
  const auto refused = from_.writer->wait();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::read_only);
}

TEST_P(LogCopying, leaves_the_target_writable) {
  found(from_);
  ASSERT_TRUE(copy(from_, to_));
  to_.kill_and_open();
  Topics topics;
  ASSERT_TRUE(load_topics(*to_.log, topics));
  EXPECT_FALSE(to_.log->read_only());
  PartitionWriter writer({blue, 1}, to_.log->state({blue, 1}));
  to_.write(writer.claim(9));
}

TEST_P(LogCopying, goes_on_after_every_kill) {
  struct Killed {};
  found(from_);
  write_history(from_, 1'500, 11);
  const auto before = shown(from_);
  std::uint64_t kills = 0;
  for (bool done = false; !done;) {
    try {
      LogCopy::Options options;
      // What is on its way dies too, so each run gets a little further than the one before it.
      options.progress = [kills](std::uint64_t count, std::uint64_t) {
        if (count == 300 + 150 * kills) throw Killed();
      };
      const auto report = copy(from_, to_, options);
      ASSERT_TRUE(report) << report.error().detail;
      EXPECT_EQ(report->found + report->records, before.size());
      done = true;
    } catch (const Killed&) {
      ASSERT_LT(++kills, 20);
      to_.kill_and_open();
      from_.kill_and_open();
    }
  }
  EXPECT_GE(kills, 2);
  EXPECT_EQ(shown(to_), before);
}

TEST_P(LogCopying, does_not_end_the_source_twice) {
  found(from_);
  write_history(from_, 100, 5);
  const auto before = shown(from_);
  {
    LogCopy first(from_.side(), to_.side(), {.to = std::string(there)});
    ASSERT_TRUE(first.prepare());
    ASSERT_TRUE(first.copy());
    ASSERT_TRUE(first.end_source());
  }
  from_.kill_and_open();
  to_.kill_and_open();
  ASSERT_TRUE(copy(from_, to_));
  EXPECT_EQ(shown(to_), before);
  EXPECT_EQ(shown(from_).size(), before.size() + 2);  // ended once
}

TEST_P(LogCopying, refuses_a_log_that_went_elsewhere) {
  found(from_);
  ASSERT_TRUE(copy(from_, to_, {.to = "another place"}));
  from_.kill_and_open();
  const auto again = copy(from_, to_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::invalid_transition);
  EXPECT_TRUE(again.error().detail.contains("another place")) << again.error().detail;
}

TEST_P(LogCopying, refuses_a_target_with_other_records) {
  found(from_);
  write_history(from_, 400, 3);
  found(to_);
  write_history(to_, 60, 4);  // so few that nothing but the records tells
  const auto [source, target] = std::pair(shown(from_), shown(to_));
  to_.kill_and_open();
  const auto done = copy(from_, to_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::invalid_parameter) << done.error().detail;
  EXPECT_EQ(shown(from_), source);
  EXPECT_EQ(shown(to_), target);
}

TEST_P(LogCopying, refuses_a_target_that_went_on) {
  found(from_);
  write_history(from_, 200, 3);
  ASSERT_TRUE(copy(from_, to_));
  const LogId log{blue, 1};
  PartitionWriter goes_on(log, to_.log->state(log));
  to_.write(goes_on.claim(99));
  to_.kill_and_open();
  const auto done = copy(from_, to_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::invalid_parameter) << done.error().detail;
}

TEST_P(LogCopying, notices_what_is_written_meanwhile) {
  found(from_);
  write_history(from_, 100, 5);
  LogCopy copying(from_.side(), to_.side(), {.to = std::string(there)});
  ASSERT_TRUE(copying.prepare());
  ASSERT_TRUE(copying.copy());
  const LogId log{red, 2};
  PartitionWriter somebody(log, from_.log->state(log));
  from_.write(somebody.claim(4711));
  const auto ended = copying.end_source();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::in_use);
  EXPECT_EQ(from_.log->durable_end(log_partition), 4);
}

TEST_P(LogCopying, refuses_what_is_no_log) {
  const auto done = copy(from_, to_);
  ASSERT_FALSE(done);
  // Where topics have places of their own, none is made to find that there is no log.
  const bool has_places = done.error().code == ErrorCode::read_only;
  EXPECT_NE(done.error().detail.find(has_places ? "not made anew" : "there is no log"),
            std::string::npos)
      << done.error().detail;
}

/// From a journal to every other kind of log, and back.
std::vector<Route> routes() {
  const auto backends = all_backends();
  const auto journal = *std::ranges::find(backends, "journal", &Backend::name);
  std::vector<Route> routes;
  for (const auto& other : backends) {
    routes.push_back({journal, other});
    if (other.name != journal.name) routes.push_back({other, journal});
  }
  return routes;
}

INSTANTIATE_TEST_SUITE_P(Routes, LogCopying, testing::ValuesIn(routes()), [](const auto& info) {
  return info.param.from.name + "_to_" + info.param.to.name;
});

/// (A log on Kafka stops there by itself.)
TEST(LogCopy, stops_at_a_fork) {
  Store from(routes().front().from.make());
  Store to(routes().front().from.make());
  found(from);
  PartitionWriter writer({blue, 1});
  from.write(writer.claim(5));
  auto fork = writer.events(R"({"a":1})");
  fork.head.chain[3] ^= 1;
  from.write(std::move(fork));
  const auto done = copy(from, to);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::read_only);
  EXPECT_TRUE(done.error().detail.contains("offset 1 of tm.blue, partition 1 is a fork"))
      << done.error().detail;
  EXPECT_EQ(to.log->durable_end(writer.log()), 0);
  EXPECT_EQ(from.log->durable_end(log_partition), 4);
}

// The thread sanitizer does not know threads of C11, which librdkafka has.
#if !__has_feature(thread_sanitizer)
/// Another program's message has an offset on Kafka, and no record.
TEST(LogCopy, puts_fillers_where_kafka_has_no_record) {
  auto mock = std::make_unique<KafkaMockHarness>();
  const auto address = mock->address();
  Store from(std::move(mock));
  found(from);
  const LogId log{blue, 2};
  PartitionWriter writer(log);
  // One before the claim, one before the first event, and so on: nowhere may a filler count.
  std::optional<Append> last;
  for (const Offset offset : {1, 3, 5}) {
    send_foreign_message(address, log);
    from.kill_and_open();
    for (const auto& topic : {Topic{log_topic, "log", 1}, Topic{blue, "blue", partitions}}) {
      ASSERT_TRUE(from.log->open_topic(topic));
    }
    ASSERT_EQ(from.log->durable_end(log), offset);
    auto state = writer.state();
    state.next_offset = offset;
    writer.set_state(state);
    last = offset == 1 ? writer.claim(5) : writer.events("{}");
    from.write(*last);
  }
  send_foreign_message(address, log);
  from.kill_and_open();

  Store middle(routes().front().from.make());
  const auto report = copy(from, middle);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->fillers, 4);
  EXPECT_EQ(middle.log->durable_end(log), 7);
  EXPECT_EQ(middle.log->state(log).sequence, 2);
  EXPECT_EQ(middle.log->state(log).chain, last->head.chain);
  EXPECT_EQ(middle.log->read_one(log, 5)->head.chain, last->head.chain);
  // They are records now, and stay where they are.
  Store back(std::make_unique<KafkaMockHarness>());
  const auto before = shown(middle);
  ASSERT_TRUE(copy(middle, back));
  EXPECT_EQ(shown(back), before);
}

TEST(LogCopy, notices_who_else_writes_at_the_target) {
  Store from(routes().front().from.make());
  found(from);
  write_history(from, 300, 5);
  auto mock = std::make_unique<KafkaMockHarness>();
  const auto address = mock->address();
  Store to(std::move(mock));
  LogCopy copying(from.side(), to.side(), {.to = std::string(there)});
  ASSERT_TRUE(copying.prepare());
  send_foreign_message(address, {blue, 2});
  EXPECT_FALSE(copying.copy());
}
#endif

}  // namespace
}  // namespace eventstore
