#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/basic_waitable_timer.hpp>

#include "api/http/body.h"
#include "api/http/connection.h"
#include "api/http/head.h"
#include "api/http/stream.h"

namespace api::http {

class StreamControl;

/// Where wake-ups for a stream arrive. Shared by the stream, its Wakers and the watch on its
/// socket; whoever comes after the stream has ended finds `stream` empty.
struct WakeSlot {
  CoreExecutor executor;
  /// A wake-up is on its way, or waits for a stream that is busy: another one would say the same.
  std::atomic<bool> posted = false;
  StreamControl* stream = nullptr;  ///< for the core's thread only
};

/// What lies behind a Stream. Made by the session when the head of a streamed answer is out, and
/// destroyed when the stream function has ended. For its core's thread.
class StreamControl {
 public:
  StreamControl(Connection& connection, Framing framing, Clock::duration patience);
  ~StreamControl();
  StreamControl(const StreamControl&) = delete;
  StreamControl& operator=(const StreamControl&) = delete;

  /// The request's body is read as lines while the answer is written.
  void read_lines(Parser& parser, std::size_t line_bytes_max, Clock::duration patience);
  /// Nothing is read, so that only this tells that the peer closed.
  void watch_peer();

  awaitable<Sent> write(std::string_view bytes);
  Pushed push(std::string_view bytes, Burst burst);
  awaitable<Sent> room();
  awaitable<Wake> wait(std::chrono::milliseconds at_most);
  awaitable<schemas::Result<std::optional<std::string_view>>> read_line();
  std::size_t line_number() const;
  Waker waker() const { return Waker(slot_); }
  bool stopping() const { return stopping_; }
  bool gone() const { return gone_; }

  void break_off() { broken_off_ = true; }
  /// Ends the answer, unless it was broken off. False when the connection is of no further use.
  awaitable<bool> finish();

  void signal();
  void stop();
  void peer_gone();

 private:
  std::optional<Wake> news();
  awaitable<void> give_way();
  /// A text as it goes out, with its frame.
  struct Framed {
    char size[20];
    Connection::Buffers buffers;
  };
  void frame(Framed& framed, std::string_view bytes) const;

  Connection& connection_;
  Clock::duration patience_;
  Framing framing_;
  unsigned writes_ = 0;
  std::string left_;  // of what was pushed, with its frame
  bool signalled_ = false;
  bool gone_ = false;
  bool broken_off_ = false;
  bool stopping_ = false;
  bool stop_told_ = false;
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, CoreExecutor> timer_;
  std::shared_ptr<WakeSlot> slot_;  // shared with Wakers on other threads
  std::unique_ptr<LineReader> lines_;
};

}  // namespace api::http
