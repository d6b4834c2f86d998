// Goal: what only real brokers do to a log: refuse a record for its size while others are on their
// way, and keep transactions of strangers open. Method: the brokers that KAFKA_BROKERS names, a
// topic whose settings the test changes under the log's feet, and producers that are not ours.
#include <map>

#include "eventstore/kafka_records.h"
#include "tests/eventstore/kafka_fixture.h"
#include "tests/support/kafka_place.h"

namespace eventstore {
namespace {

#if !__has_feature(thread_sanitizer)

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;
using Settings = std::map<std::string, std::string>;
using Resource =
    std::unique_ptr<rd_kafka_ConfigResource_t, kafka::Destroy<rd_kafka_ConfigResource_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, kafka::Destroy<rd_kafka_event_destroy>>;
using Fault = std::unique_ptr<rd_kafka_error_t, kafka::Destroy<rd_kafka_error_destroy>>;

constexpr int small_max = 20'000;
constexpr int usual_max = 5'242'880;  // what the log wants of a topic
const std::string large(100'000, 'x');

/// A producer of somebody else.
class Stranger {
 public:
  Stranger(const kafka::Options& options, const Settings& settings) {
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", options.brokers.c_str(), nullptr, 0);
    for (const auto& [name, value] : settings) {
      EXPECT_EQ(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), nullptr, 0), RD_KAFKA_CONF_OK);
    }
    handle_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
    topic_.reset(
        rd_kafka_topic_new(handle_.get(), (options.topic_prefix + "blue").c_str(), nullptr));
  }
  rd_kafka_t* handle() { return handle_.get(); }
  void send(const Append& append) {
    const auto value = kafka::encode(append.head, append.payload.bytes());
    ASSERT_EQ(rd_kafka_produce(topic_.get(), append.log.partition, RD_KAFKA_MSG_F_FREE, value.bytes,
                               value.size, nullptr, 0, nullptr),
              0);
  }
  void flush() { ASSERT_EQ(rd_kafka_flush(handle_.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR); }
  void in_transaction(rd_kafka_error_t* error) {
    const Fault fault(error);
    ASSERT_FALSE(fault) << rd_kafka_error_string(fault.get());
  }

 private:
  kafka::Handle handle_;
  kafka::TopicHandle topic_;
};

class KafkaLogOnBrokers : public testing::TestWithParam<NamedKafkaPlace> {
 protected:
  void SetUp() override {
    options_.fetch_wait = 10ms;
    options_.properties["batch.num.messages"] = "10";
    log_ = open(witness_);
    ASSERT_TRUE(log_->make_topic({blue, "blue", 8}, MayHold::records));
    ASSERT_TRUE(log_->open_topic({blue, "blue", 8}));
    write(writer_.claim(1));
  }
  void TearDown() override { log_->close(); }

 public:
  std::unique_ptr<Log> open(LogObserver& observer) {
    auto log = KafkaLog::open(options_, observer);
    ENSURE(log);
    return std::move(*log);
  }

 protected:
  /// Wherever it lands, it counts.
  void write(Append record) {
    log_->append({record});
    ASSERT_TRUE(comes_true([&] {
      const auto state = log_->state(in_blue);
      return record.head.kind == RecordKind::claim
                 ? state.epoch.nonce == writer_.state().epoch.nonce
                 : state.sequence == writer_.state().sequence;
    }));
    writer_.set_state(log_->state(in_blue));
  }
  void write(std::string_view text) { write(writer_.noop(text)); }
  /// The broker hears of it by the way of the controller: a record in another partition tells.
  void take_at_most(int bytes) {
    const auto topic = options_.topic_prefix + "blue";
    const Resource resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
    rd_kafka_ConfigResource_set_config(resource.get(), "retention.ms", "-1");
    rd_kafka_ConfigResource_set_config(resource.get(), "max.message.bytes",
                                       std::to_string(bytes).c_str());
    Stranger admin(options_, {});
    const kafka::Queue answers(rd_kafka_queue_new(admin.handle()));
    auto* asked = resource.get();
    rd_kafka_AlterConfigs(admin.handle(), &asked, 1, nullptr, answers.get());
    const Event event(rd_kafka_queue_poll(answers.get(), 10'000));
    ASSERT_TRUE(event);
    ASSERT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
    ASSERT_TRUE(comes_true([&] { return place_->put(topic, large) == (bytes == usual_max); }));
  }

  const std::unique_ptr<KafkaPlace> place_ = GetParam().make();
  kafka::Options options_ = place_->options();
  Witness witness_;
  std::unique_ptr<Log> log_;
  PartitionWriter writer_{in_blue};
};

TEST_P(KafkaLogOnBrokers, ARecordThatIsTooLargeInMidPipelineLeavesNoHoleThatAnybodyBelieves) {
  take_at_most(small_max);
  std::vector<Append> records;
  Texts before;
  for (int i = 0; i < 200; ++i) {
    before.push_back(std::to_string(i));
    records.push_back(writer_.noop(before.back()));
  }
  records.push_back(writer_.noop(large));
  for (int i = 0; i < 200; ++i) records.push_back(writer_.noop("behind it"));
  log_->append(std::move(records));
  ASSERT_TRUE(witness_.wait_for_failures(1));
  EXPECT_EQ(witness_.failures().size(), 1u);
  const auto count = log_->state(in_blue).sequence;
  EXPECT_GE(count, 190u) << "all before the batch that it is in";
  EXPECT_LE(count, 200u);
  EXPECT_EQ(witness_.failures()[0].first, count + 1);
  take_at_most(usual_max);
  writer_.set_state(log_->state(in_blue));
  write(writer_.claim(2));
  write("goes on");
  before.resize(count);
  before.push_back("goes on");
  EXPECT_EQ(held_by(*this).texts(), before);
}

/// What our own settings prevent, left by another's: the hole of the right epoch.
TEST_P(KafkaLogOnBrokers, BehindARealHoleNothingCountsWhereEpochsAloneWouldFork) {
  take_at_most(small_max);
  Stranger stranger(options_, {{"enable.idempotence", "true"}, {"batch.num.messages", "5"}});
  PartitionWriter other(in_blue, log_->state(in_blue));
  for (int i = 0; i < 60; ++i) stranger.send(other.events(i == 20 ? large : std::to_string(i)));
  stranger.flush();
  take_at_most(usual_max);
  const auto held = held_by(*this);
  ASSERT_FALSE(held.records.empty());
  EXPECT_GE(held.state.sequence, 15u);
  EXPECT_LE(held.state.sequence, 20u);
  EXPECT_GE(held.count(Verdict::void_sequence), 35u);
  EXPECT_GT(held.forks_without_sequence(), 0u) << "the control, epochs without sequences, forks";
  ASSERT_TRUE(
      comes_true([&] { return log_->durable_end(in_blue) == held.records.back().offset + 1; }));
  writer_.set_state(log_->state(in_blue));
  write(writer_.claim(2));
  write("goes on");
}

TEST_P(KafkaLogOnBrokers, AStrangersTransactionStopsNobodyAndItsRecordsDoNotCount) {
  write("a");
  Stranger stranger(options_, {{"transactional.id", options_.topic_prefix + "stranger"}});
  stranger.in_transaction(rd_kafka_init_transactions(stranger.handle(), 20'000));
  for (const bool commits : {true, false}) {
    stranger.in_transaction(rd_kafka_begin_transaction(stranger.handle()));
    stranger.send(PartitionWriter(in_blue).zombie("of a stranger"));
    stranger.flush();
    const auto sequence = writer_.state().sequence;
    ASSERT_TRUE(comes_true([&] {
      return log_->durable_end(in_blue) > writer_.state().next_offset;
    })) << "it is read while its transaction is open";
    EXPECT_EQ(log_->state(in_blue).sequence, sequence);
    writer_.set_state(log_->state(in_blue));
    write("b");
    EXPECT_EQ(held_by(*this).state.sequence, sequence + 1) << "by who comes now too";
    stranger.in_transaction(commits ? rd_kafka_commit_transaction(stranger.handle(), 20'000)
                                    : rd_kafka_abort_transaction(stranger.handle(), 20'000));
    write("c");  // behind the marker, which takes an offset and is no message
  }
  const auto held = held_by(*this);
  EXPECT_EQ(held.texts(), (Texts{"a", "b", "c", "b", "c"}));
  EXPECT_EQ(held.count(Verdict::void_epoch), 2u);
  EXPECT_TRUE(witness_.failures().empty());
  const auto told = witness_.records();
  ASSERT_EQ(told.size(), held.records.size());
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].offset, held.records[i].offset);
}

INSTANTIATE_TEST_SUITE_P(Places, KafkaLogOnBrokers, testing::ValuesIn(kafka_broker_places()),
                         [](const auto& place) { return place.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KafkaLogOnBrokers);

#endif

}  // namespace
}  // namespace eventstore
