#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "eventstore/heartbeat.h"
#include "eventstore/kafka_client.h"
#include "eventstore/kafka_options.h"

/// Who is there: processes of a cluster tell each other by the compacted topic `tm.cluster`, key =
/// process, value = its last heartbeat.
///
///     (records of processes that may be long gone)  | what comes while this runs
///     ─────────────── past ─────────────────────────┴──── now ─────────▶
///
/// Promises: a heartbeat goes out twice a second and at once after changed(); the listener is told
/// of everything in the topic, in its order, and where the past ends. A record of the past tells
/// that somebody was there once, nothing more. A process that stops takes its record away. What
/// cannot be sent within two seconds is not sent: it would tell of a state that is over.
///
/// One thread asks for what to say and tells what was heard. Who counts as living is
/// manager/cluster.h's to say; nothing rests on it but who tries to write what.
namespace eventstore::kafka {

class Heartbeats {
 public:
  /// What is known of us now; the count is filled in here.
  using Self = std::function<Heartbeat()>;

  /// Called on the heartbeats' thread; must not block.
  class Listener {
   public:
    enum class When : std::uint8_t { past, now };
    virtual ~Listener() = default;
    virtual void on_heartbeat(const Heartbeat& heartbeat, When when) = 0;
    /// It stopped in peace.
    virtual void on_gone(const schemas::Uuid& process) = 0;
    /// What follows comes while we listen. Told again when the topic had to be read anew.
    virtual void on_past_ended() = 0;
  };

  static constexpr std::chrono::milliseconds period{500};

  /// Makes the topic when it is missing. The listener must outlive this.
  static schemas::Result<std::unique_ptr<Heartbeats>> open(const Options& options, Self self,
                                                           Listener& listener);
  ~Heartbeats();
  Heartbeats(const Heartbeats&) = delete;
  Heartbeats& operator=(const Heartbeats&) = delete;

  /// Begins to talk and to listen. Once.
  void start();
  /// Sends a heartbeat at once. Any thread.
  void changed();
  /// Takes away the record of another that is long gone. Any thread.
  void take_away(const schemas::Uuid& process);
  /// Takes our record away and ends the thread; nothing is told any more. Blocks for a second at
  /// most.
  void stop();

 private:
  Heartbeats(const Options& options, Self self, Listener& listener);
  schemas::Result<void> connect();
  schemas::Result<void> read_from_beginning();

  void run();
  void send();
  void hear_until(std::chrono::steady_clock::time_point until);
  void hear(const rd_kafka_message_t& message);
  void end_past();

  const Options options_;
  const std::string name_;
  const Self self_;
  Listener& listener_;
  Handle sender_;
  Handle consumer_;
  TopicHandle to_;    // of the sender
  TopicHandle from_;  // of the consumer
  Queue heard_;
  std::atomic<bool> changed_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;

  // The thread only:
  std::uint64_t count_ = 0;
  Listener::When when_ = Listener::When::past;
  std::int64_t past_end_ = 0;  // the offset at which it ends
  bool lost_ = false;          // the topic is to be read anew
};

}  // namespace eventstore::kafka
