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
  struct Partition {
    explicit Partition(LogId which) : log(which) {}
    const LogId log;
    std::atomic<Offset> end = 0;
    mutable std::mutex mutex;
    PartitionState state;  // under the mutex; changed by the log's thread only
    // The log's thread only:
    AppendGate gate;
    Flights flights;       // landed ones first
    bool broken = false;   // one of the flights failed
    bool stopped = false;  // it cannot be read on
  };
  struct OpenTopic {
    Topic topic;
    kafka::TopicHandle to;    // of the producer
    kafka::TopicHandle from;  // of the consumer
    std::vector<std::unique_ptr<Partition>> partitions;
  };

  KafkaLog(kafka::Options options, LogObserver& observer, Folded folded);
  schemas::Result<void> start();
  schemas::Result<void> renew_producer();
  schemas::Result<void> fold_existing(OpenTopic& topic);
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
  void fold(const rd_kafka_message_t& message, std::vector<StoredRecord>& group);
  void settle(Partition& partition);
  void give_up(Partition& partition, Flights::iterator first);
  void stop_reading(schemas::Error why);
  static void on_error(rd_kafka_t* consumer, int code, const char* reason, void* log);
  void abandon_flights();
  void doubt_the_late();

  std::string name_of(const Topic& topic) const { return options_.topic_prefix + topic.name; }
  OpenTopic* find_topic(TopicId id) const;
  Partition* find(LogId log) const;
  std::string topic_of(TopicId topic) const override;
  Offset end_of(LogId log) const override { return durable_end(log); }

  const kafka::Options options_;
  LogObserver& observer_;
  const Folded folded_;
  kafka::Fetchers fetchers_;  // of whole stretches
  kafka::Fetchers singles_;   // of records here and there
  kafka::Handle producer_;
  kafka::Handle consumer_;
  kafka::Queue records_;  // of all partitions
  int news_ = -1;         // eventfd: something was appended, was reported, or can be read

  mutable std::shared_mutex topics_mutex_;
  std::map<TopicId, std::unique_ptr<OpenTopic>> topics_;

  mutable std::mutex mutex_;  // over what follows
  std::vector<Append> queue_;
  std::optional<schemas::Error> read_only_;
  enum class Stop : std::uint8_t { no, drained, at_once } stop_ = Stop::no;

  // The log's thread only:
  std::map<LogId, AppendGate> strays_;  // of partitions that are not open
  std::vector<Partition*> reported_;    // something about their flights
  std::size_t in_flight_ = 0;           // neither landed nor given up
  bool purged_ = false;                 // of what the producer had: it failed, or reading stopped
  bool reading_stopped_ = false;
  kafka::ReadTrouble trouble_;
  std::chrono::steady_clock::time_point looked_for_late_;
  std::size_t unreported_ = 0;
  std::vector<StoredRecord> landed_;  // by delivery reports, not told yet
  std::thread thread_;
};

}  // namespace eventstore
