#pragma once

#include <deque>
#include <map>

#include "eventstore/kafka_client.h"
#include "eventstore/log.h"

/// Reading from Kafka, each with a connection of its own. They show what the log shows: nothing at
/// or behind its durable end.
namespace eventstore::kafka {

/// What readers ask the log whose topics they read. Any thread.
class ReadSide {
 public:
  virtual ~ReadSide() = default;
  /// The topic's name among the brokers; empty when it is not open.
  virtual std::string topic_of(TopicId topic) const = 0;
  virtual Offset end_of(LogId log) const = 0;
};

/// Messages of some partitions, as they come. Not thread-safe.
class Fetcher {
 public:
  explicit Fetcher(Handle consumer)
      : consumer_(std::move(consumer)), queue_(rd_kafka_queue_new(consumer_.get())) {}
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// From `offset` on; goes elsewhere when the partition is fetched already.
  schemas::Result<void> start(LogId log, const std::string& topic, Offset offset);

  struct Fetched {
    LogId log;
    Offset offset;
    Message message;  // null: the partition ends at `offset`, as the brokers see it now
  };
  /// What came next; empty when nothing came within the time. An error stops the whole.
  schemas::Result<std::optional<Fetched>> next(std::chrono::milliseconds within);

 private:
  struct Source {
    LogId log;
    TopicHandle topic;
  };
  void stop();
  void take_what_is_there();

  Handle consumer_;
  Queue queue_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::deque<Message> fetched_;
};

class KafkaCursor final : public Cursor {
 public:
  static schemas::Result<std::unique_ptr<Cursor>> open(const Options& options, const ReadSide& side,
                                                       const std::vector<ReadFrom>& from);
  schemas::Result<std::optional<StoredRecord>> next() override;

 private:
  KafkaCursor(const Options& options, const ReadSide& side, Handle consumer)
      : side_(side), patience_(options.answer_within), fetcher_(std::move(consumer)) {}
  bool at_end() const;

  const ReadSide& side_;
  const std::chrono::milliseconds patience_;
  Fetcher fetcher_;
  std::map<LogId, Offset> positions_;
  std::optional<StoredRecord> pending_;  // fetched, but not durable for the log yet
};

class KafkaRecordReader final : public RecordReader {
 public:
  KafkaRecordReader(const Options& options, const ReadSide& side, LogId log)
      : options_(options), side_(side), log_(log) {}
  schemas::Result<StoredRecord> read(Offset offset) override;

 private:
  schemas::Result<void> go_to(Offset offset);

  const Options& options_;
  const ReadSide& side_;
  const LogId log_;
  std::optional<Fetcher> fetcher_;
  Offset position_ = 0;
};

}  // namespace eventstore::kafka
