#include "api/http/connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

namespace api::http {
namespace {

using boost::system::error_code;

void advance(Connection::Buffers& buffers, std::size_t bytes) {
  for (auto& buffer : buffers) {
    const auto step = std::min(bytes, buffer.size());
    buffer += step;
    bytes -= step;
  }
}

}  // namespace

Connection::Connection(Socket socket) : socket_(std::move(socket)) {
  // Failing here means that the peer is gone already, which the first read finds out.
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

awaitable<Io> Connection::read(std::size_t bytes_max, Clock::time_point deadline) {
  read_expired_ = false;
  read_deadline_ = deadline;
  auto [ec, bytes] = co_await socket_.async_read_some(buffer_.prepare(bytes_max), as_result);
  read_deadline_ = never;
  buffer_.commit(bytes);
  if (!ec) co_return Io::ok;
  co_return ec == asio::error::operation_aborted&& read_expired_ ? Io::expired : Io::closed;
}

std::string_view Connection::buffered() const {
  const auto data = buffer_.cdata();
  return {static_cast<const char*>(data.data()), data.size()};
}

void Connection::release_buffer(std::size_t bytes_kept) {
  if (buffer_.size() == 0 && buffer_.capacity() > bytes_kept) buffer_.shrink_to_fit();
}

awaitable<Io> Connection::write(Buffers buffers, Clock::duration patience) {
  // A socket nearly always takes a whole answer at once: that way costs no trip through the loop.
  error_code ec;
  std::size_t bytes = socket_.write_some(buffers, ec);
  while (true) {
    if (ec && ec != asio::error::would_block) break;
    advance(buffers, bytes);
    if (asio::buffer_size(buffers) == 0) co_return Io::ok;
    write_expired_ = false;
    write_deadline_ = Clock::now() + patience;
    std::tie(ec, bytes) = co_await socket_.async_write_some(buffers, as_result);
    write_deadline_ = never;
  }
  co_return ec == asio::error::operation_aborted&& write_expired_ ? Io::expired : Io::closed;
}

std::optional<std::size_t> Connection::write_now(Buffers buffers, int flags) {
  std::size_t all = 0;
  while (asio::buffer_size(buffers) > 0) {
    error_code ec;
    const auto bytes = socket_.send(buffers, flags, ec);
    if (ec && ec != asio::error::would_block) return std::nullopt;
    if (ec) break;
    advance(buffers, bytes);
    all += bytes;
  }
  return all;
}

void Connection::keep_unsent(int bytes_max) {
  using NotSentLowat = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
  error_code ignored;  // the connection is of as much use without
  socket_.set_option(NotSentLowat(bytes_max), ignored);
}

bool Connection::peer_closed() {
  char byte = 0;
  const auto size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

bool Connection::has_unread() const {
  error_code ec;
  return socket_.available(ec) > 0;
}

void Connection::expire(Clock::time_point now) {
  if (now < read_deadline_ && now < write_deadline_) return;
  read_expired_ = now >= read_deadline_;
  write_expired_ = now >= write_deadline_;
  error_code ignored;  // fails only on a closed socket, whose waits have ended
  socket_.cancel(ignored);
}

void Connection::interrupt_read() {
  if (read_deadline_ == never) return;
  read_deadline_ = Clock::time_point::min();
  expire(Clock::now());
}

void Connection::finish_sending() {
  error_code ignored;  // the peer may have closed before
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Connection::close() {
  error_code ignored;  // it is closed in any case
  socket_.close(ignored);
}

asio::ip::address Connection::remote() const {
  error_code ec;
  const auto endpoint = socket_.remote_endpoint(ec);
  return ec ? asio::ip::address() : endpoint.address();
}

}  // namespace api::http
