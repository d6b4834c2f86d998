#pragma once

#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <vector>

#include "eventstore/kafka_client.h"
#include "eventstore/log.h"

/// Reading from Kafka over connections that are kept for the next reader. They show what the log
/// shows: nothing at or behind its durable end.
namespace eventstore::kafka {

/// What readers ask the log whose topics they read. Any thread.
class ReadSide {
 public:
  virtual ~ReadSide() = default;
  /// The topic's name among the brokers; empty when it is not open.
  virtual std::string topic_of(TopicId topic) const = 0;
  virtual Offset end_of(LogId log) const = 0;
};

/// What stands in a message: the record, or a filler where it holds none of ours.
StoredRecord record_of(LogId log, Offset offset, const rd_kafka_message_t& message);

/// That nothing stands where reading was to go on, as one broker sees it.
bool is_out_of_range(rd_kafka_resp_err_t code);

/// Why a partition cannot be read on, judged from what librdkafka tells: `code` and `reason` as its
/// error callback gets them, or a message that is none. A broker that has just come up, or has yet
/// to hear of a topic, says that there is none: that is believed when it is told for five seconds,
/// about every second.
class ReadTrouble {
 public:
  std::optional<schemas::Error> judge(rd_kafka_resp_err_t code, std::string_view reason);

 private:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds believed_after{5};
  static constexpr std::chrono::seconds forgotten_after{3};
  std::optional<Time> gone_since_;
  Time gone_last_;
};

/// Messages of some partitions, as they come. Not thread-safe.
class Fetcher {
 public:
  static schemas::Result<std::unique_ptr<Fetcher>> make(const Options& options);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// From `offset` on. A partition is started once.
  schemas::Result<void> start(LogId log, const std::string& topic, Offset offset);
  /// Nothing is fetched any more, and nothing comes that was.
  void reset();
  rd_kafka_t* handle() const { return consumer_.get(); }

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
  Fetcher() = default;
  static void on_error(rd_kafka_t* consumer, int code, const char* reason, void* fetcher);
  void take_what_is_there();

  ReadTrouble judged_;
  std::optional<schemas::Error> trouble_;
  Handle consumer_;
  Queue queue_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::deque<Message> fetched_;
};

/// Fetchers for whoever reads next: a connection costs more than most readings. Any thread.
class Fetchers {
 public:
  /// `bytes`: what is asked for at once.
  Fetchers(Options options, std::size_t bytes) : options_(std::move(options)), bytes_(bytes) {}

  /// Lent: comes back by itself. Must not outlive this.
  struct Return {
    Fetchers* to;
    void operator()(Fetcher* fetcher) const;
  };
  using Lent = std::unique_ptr<Fetcher, Return>;
  schemas::Result<Lent> lend();
  /// Parts with those that nobody wanted for a while: each wakes up now and then. Does not wait for
  /// it, which takes as long as the brokers' names take to be resolved.
  void drop_unused();
  std::chrono::milliseconds patience() const { return options_.answer_within; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    std::unique_ptr<Fetcher> fetcher;
    Clock::time_point since;
  };
  static constexpr std::size_t kept_max = 8;
  static constexpr std::chrono::seconds kept_for{10};
  const Options options_;
  const std::size_t bytes_;
  std::mutex mutex_;
  std::vector<Kept> idle_;  // the one that was wanted last is the next to be lent
  std::future<void> parting_;
};

class KafkaCursor final : public Cursor {
 public:
  static schemas::Result<std::unique_ptr<Cursor>> open(Fetchers& fetchers, const ReadSide& side,
                                                       const std::vector<ReadFrom>& from);
  schemas::Result<std::optional<StoredRecord>> next() override;

 private:
  KafkaCursor(const Fetchers& fetchers, const ReadSide& side, Fetchers::Lent fetcher)
      : side_(side), patience_(fetchers.patience()), fetcher_(std::move(fetcher)) {}
  bool at_end() const;
  std::optional<StoredRecord> take(std::deque<StoredRecord>& waiting);

  const ReadSide& side_;
  const std::chrono::milliseconds patience_;
  Fetchers::Lent fetcher_;
  std::map<LogId, Offset> positions_;
  std::map<LogId, std::deque<StoredRecord>> waiting_;  // fetched, but not durable for the log yet
  Payload given_;                                      // last
};

class KafkaRecordReader final : public RecordReader {
 public:
  KafkaRecordReader(Fetchers& fetchers, const ReadSide& side, LogId log)
      : fetchers_(fetchers), side_(side), log_(log) {}
  schemas::Result<StoredRecord> read(Offset offset) override;

 private:
  schemas::Result<void> go_to(Offset offset);

  Fetchers& fetchers_;
  const ReadSide& side_;
  const LogId log_;
  Fetchers::Lent fetcher_;
  Offset position_ = 0;
  Payload given_;  // last
};

}  // namespace eventstore::kafka
