#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "api/http/coroutine.h"

namespace api::http {

using Clock = std::chrono::steady_clock;
using CoreExecutor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, CoreExecutor>;

/// `closed`: the peer or we closed, or the network failed; `expired`: the deadline passed.
enum class Io : std::uint8_t { ok, closed, expired };

/// A socket with its read buffer and its deadlines: all that is read and written goes through here.
///
/// Promises: no call waits longer than its deadline, give or take the period in which its core
/// calls expire(); there is no timer per connection. At most one read and one write at a time,
/// which may overlap. For its core's thread only. It knows nothing of HTTP.
class Connection {
 public:
  explicit Connection(Socket socket);

  /// Appends at most `bytes_max` bytes to the buffer.
  awaitable<Io> read(std::size_t bytes_max, Clock::time_point deadline);
  std::string_view buffered() const;
  void consume(std::size_t bytes) { buffer_.consume(bytes); }
  /// Gives the buffer's memory back, if it is empty and larger than `bytes_kept`.
  void release_buffer(std::size_t bytes_kept);

  /// Writes all of it; each time the peer takes something, it may wait `patience` again.
  using Buffers = std::array<asio::const_buffer, 3>;
  awaitable<Io> write(Buffers buffers, Clock::duration patience);
  /// How many bytes the socket takes without waiting (`flags` of send(2)); nothing when it is of no
  /// more use.
  std::optional<std::size_t> write_now(Buffers buffers, int flags);

  /// Calls `callback(error_code)`, from the core's loop, once there is something to read, or the
  /// peer closed, or this side did.
  template <typename Callback>
  void when_readable(Callback callback) {
    socket_.async_wait(Socket::wait_read, std::move(callback));
  }
  /// Whether the peer closed or broke the connection, as far as known without waiting.
  bool peer_closed();
  /// Whether something came that is not yet in the buffer.
  bool has_unread() const;

  /// Lets the kernel keep so many bytes at most that were not sent yet (tcp(7), TCP_NOTSENT_LOWAT):
  /// without it, some megabytes for a peer that does not read.
  void keep_unsent(int bytes_max);

  /// Ends the waits whose deadline has passed.
  void expire(Clock::time_point now);
  /// Ends a read that waits, as if its deadline had passed.
  void interrupt_read();
  void finish_sending();
  void close();
  asio::ip::address remote() const;
  CoreExecutor executor() { return socket_.get_executor(); }

 private:
  static constexpr auto never = Clock::time_point::max();

  Socket socket_;
  boost::beast::flat_buffer buffer_;
  Clock::time_point read_deadline_ = never;
  Clock::time_point write_deadline_ = never;
  bool read_expired_ = false;
  bool write_expired_ = false;
};

}  // namespace api::http
