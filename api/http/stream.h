#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "api/http/coroutine.h"
#include "schemas/result.h"

namespace api::http {

class StreamControl;
struct WakeSlot;

/// What became of a write. `slow`: the peer took nothing for the write deadline.
enum class Sent : std::uint8_t { ok, gone, slow };

/// What became of a push: all or part of it was taken, or the peer is gone.
enum class Pushed : std::uint8_t { all, part, gone };

/// Whether another push comes at once, so that the kernel may wait to send both together.
enum class Burst : std::uint8_t { goes_on, ends };

/// Why a wait ended. `gone`: the peer closed; `stopping`: the server stops, say goodbye and return.
enum class Wake : std::uint8_t { signal, timeout, gone, stopping };

/// Wakes a stream from any thread; harmless when the stream has ended, as long as the server lives.
/// Calls that come before the stream looks are one.
class Waker {
 public:
  explicit Waker(std::shared_ptr<WakeSlot> slot);
  void operator()() const;

 private:
  std::shared_ptr<WakeSlot> slot_;  // shared with the stream: either may end first
};

/// The two directions of a connection after the head of a streamed answer was sent. Lives on the
/// connection's core and is used there only; valid until the stream function's coroutine ends. One
/// coroutine may write while another one reads. It keeps no data of its own, so an idle stream
/// costs its socket and its coroutine frames.
class Stream {
 public:
  explicit Stream(StreamControl& control) : control_(&control) {}

  /// Sends `bytes`, which live until it returns: when the kernel took all of it.
  awaitable<Sent> write(std::string_view bytes);

  /// Sends what the kernel takes of `bytes` now, and copies the rest: after `part`, `room` waits
  /// until that is out too, while the caller need not hold what it pushed.
  Pushed push(std::string_view bytes, Burst burst = Burst::ends);
  awaitable<Sent> room();

  /// Within what cannot be ended: when the function returns, the connection is closed without the
  /// answer's end, so that the peer sees that something is missing.
  void break_off();

  /// Sleeps until something happens, at most `at_most`. `gone` lasts: every further wait says it at
  /// once; `stopping` is said once.
  awaitable<Wake> wait(std::chrono::milliseconds at_most);
  Waker waker() const;

  /// For a request with `lines`: its next line without the line end, valid until the next call;
  /// nothing at the end of the body. Empty lines are left out, but counted. A line over the limit
  /// is too_large, a broken or stalled body and the server's stop are errors too; after an error
  /// there are no more lines.
  awaitable<schemas::Result<std::optional<std::string_view>>> read_line();

  /// The number, from 1, of the line that read_line gave or refused.
  std::size_t line_number() const;

  bool stopping() const;
  /// Whether the peer closed, as far as is known.
  bool gone() const;

 private:
  StreamControl* control_;
};

}  // namespace api::http
