#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/append_gate.h"
#include "eventstore/kafka_client.h"
#include "eventstore/kafka_cursor.h"
#include "eventstore/log.h"

/// The log on Apache Kafka: a record is one message of `tm.<product>`, its value the record's head
/// and its payload.
///
///     append ──► producer ──► brokers ──► consumer ──► the one rule ──► observer
///                   └─ delivery report: next offset ───────┘
///
/// A record is durable when all in-sync replicas have it. That is told by a delivery report, where
/// it names the very offset that the fold of the partition has come to: then everything before it
/// was folded, and whether it counts is known by the rule (claims.h). Any other report tells
/// nothing, for the record may have been written twice, or stand behind another's: it is durable
/// when it was read back. A message that is no record of ours is a void filler.
///
/// One thread does all that, and calls the observer. Readers and cursors have connections of their
/// own.
namespace eventstore {

class KafkaLog final : public Log, private kafka::ReadSide {
 public:
  /// What the caller has folded of a partition before: there reading begins. It is believed;
  /// whoever kept it checks that it is still this log's (projections/projector.h).
  using Folded = std::function<PartitionState(LogId)>;

  /// The observer must outlive the log.
  static schemas::Result<std::unique_ptr<KafkaLog>> open(kafka::Options options,
                                                         LogObserver& observer, Folded folded = {});
  ~KafkaLog() override;

  bool shared() const override { return true; }
  schemas::Result<void> make_topic(const Topic& topic, MayHold what) override;
  schemas::Result<std::optional<std::string>> written_topic() override;
  /// Folds what the topic holds already; the observer is told of what comes behind that.
  schemas::Result<void> open_topic(const Topic& topic) override;
  void append(std::vector<Append> records) override;
  schemas::Result<std::unique_ptr<Cursor>> read(std::vector<ReadFrom> from) override;
  std::unique_ptr<RecordReader> reader(LogId log) override;
  Offset durable_end(LogId log) const override;
  PartitionState state(LogId log) const override;
  std::vector<LogId> partitions() const override;
  std::optional<schemas::Error> read_only() const override;
  void turn_read_only(schemas::Error why) override;
  schemas::Result<Offset> ask_end(LogId log) override;
  void close() override;

 private:
  struct Partition;
  /// A record on its way. It lives until it was reported, and read back or given up.
  struct Flight {
    enum class Report : std::uint8_t { none, delivered, surely_not, perhaps };
    Partition* partition;
    Append append;
    Report report = Report::none;
    rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::chrono::steady_clock::time_point delivered_at;
    bool landed = false;
  };
  using Flights = std::deque<std::unique_ptr<Flight>>;
  struct OpenTopic;
  struct Partition {
    Partition(OpenTopic& its, LogId which) : topic(its), log(which) {}
    OpenTopic& topic;
    const LogId log;
    std::atomic<Offset> end = 0;
    mutable std::mutex mutex;
    PartitionState state;  // under the mutex; changed by the log's thread only
    // The log's thread only:
    AppendGate gate;
    /// Of the first of a run that failed; what its submitter queued behind it, before it could know
    /// of that, goes on from there and is never sent.
    std::optional<std::pair<Epoch, std::uint64_t>> failed_from;
    Flights flights;                // landed ones first
    bool broken = false;            // one of the flights failed
    bool stopped = false;           // it cannot be read on
    bool followed = true;           // what stands there is fetched
    std::optional<Offset> doubted;  // a record that did not follow, when it was read first
    std::size_t reported = 0;       // landed by their reports since that was last looked at
  };
  /// Made when the topic is first written. What librdkafka does for a record grows with the
  /// partitions that a producer knows, so each topic has its own.
  struct Producer {
    kafka::Handle handle;
    kafka::TopicHandle topic;
    std::size_t unreported = 0;
    bool purged = false;  // of what it had: it failed, or reading stopped
  };
  /// For the same reason: a question for records names all the partitions of a consumer.
  struct Consumer {
    kafka::Handle handle;
    kafka::TopicHandle topic;
    kafka::Queue records;  // of all partitions
  };
  struct OpenTopic {
    Topic topic;
    Producer producer;  // the log's thread only
    Consumer consumer;
    std::vector<std::unique_ptr<Partition>> partitions;
  };

  KafkaLog(kafka::Options options, LogObserver& observer, Folded folded);
  void start();
  schemas::Result<void> make_producer(OpenTopic& topic);
  schemas::Result<void> fold_existing(OpenTopic& topic);
  schemas::Result<void> make_consumer(OpenTopic& topic);
  void tell_news_of(rd_kafka_queue_t* queue) const;
  static void fold_into(Partition& partition, Offset offset, const rd_kafka_message_t& message);
  void stop(bool drain);

  void run();
  bool goes_on();
  void wait_for_news();
  void wake() const;
  bool send_queued();
  void send(Append append);
  rd_kafka_resp_err_t produce(Flight& flight);
  void refuse(const Append& append, schemas::Error error);
  static void on_report(rd_kafka_t* producer, const rd_kafka_message_t* message, void* log);
  void land(Flight& flight, Offset offset);
  void tell_landed();
  bool read_back();
  bool read_back(OpenTopic& topic);
  void fold(OpenTopic& topic, const rd_kafka_message_t& message, std::vector<StoredRecord>& group);
  void settle(Partition& partition);
  void give_up(Partition& partition, Flights::iterator first);
  void stop_reading(schemas::Error why);
  static void on_error(rd_kafka_t* consumer, int code, const char* reason, void* log);
  void abandon_flights();
  void end_draining();
  void doubt_the_late();
  bool take_reports();
  static void purge(Producer& producer);
  void part_with_the_fatal();
  void look_around();
  void follow_the_idle();
  void check_cluster(rd_kafka_t* handle);
  void doubt_the_record(Partition& partition, Offset offset, const std::string& what);
  void doubt_the_end(Partition& partition, const rd_kafka_message_t& message);
  void follow(Partition& partition);

  std::string name_of(const Topic& topic) const { return options_.topic_prefix + topic.name; }
  OpenTopic* find_topic(TopicId id) const;
  std::vector<OpenTopic*> open_topics() const;
  Partition* find(LogId log) const;
  std::string topic_of(TopicId topic) const override;
  Offset end_of(LogId log) const override { return durable_end(log); }

  const kafka::Options options_;
  LogObserver& observer_;
  const Folded folded_;
  kafka::Fetchers fetchers_;  // of whole stretches
  kafka::Fetchers singles_;   // of records here and there
  int news_ = -1;             // eventfd: something was appended, was reported, or can be read

  mutable std::shared_mutex topics_mutex_;
  std::map<TopicId, std::unique_ptr<OpenTopic>> topics_;

  mutable std::mutex mutex_;  // over what follows
  std::vector<Append> queue_;
  std::optional<schemas::Error> read_only_;
  enum class Stop : std::uint8_t { no, drained, at_once } stop_ = Stop::no;
  std::chrono::steady_clock::time_point drained_until_;

  // The log's thread only:
  std::map<LogId, AppendGate> strays_;  // of partitions that are not open
  std::vector<OpenTopic*> written_;     // those that have a producer
  std::vector<Partition*> reported_;    // something about their flights
  std::size_t in_flight_ = 0;           // neither landed nor given up
  bool reading_stopped_ = false;
  kafka::ReadTrouble trouble_;
  std::string cluster_;  // of the brokers, by their own name
  std::chrono::steady_clock::time_point looked_around_;
  std::vector<StoredRecord> landed_;  // by delivery reports, not told yet
  std::thread thread_;
};

}  // namespace eventstore
