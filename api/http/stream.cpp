#include "api/http/stream.h"

#include <algorithm>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "api/http/stream_control.h"

namespace api::http {
namespace {

constexpr unsigned writes_in_a_row = 16;
constexpr int unsent_bytes_max = 64 * 1024;

}  // namespace

Waker::Waker(std::shared_ptr<WakeSlot> slot) : slot_(std::move(slot)) {}

void Waker::operator()() const {
  if (slot_->posted.exchange(true)) return;
  asio::post(slot_->executor, [slot = slot_] {
    if (slot->stream != nullptr) slot->stream->signal();
  });
}

awaitable<Sent> Stream::write(std::string_view bytes) {
  return control_->write(bytes);
}
Pushed Stream::push(std::string_view bytes, Burst burst) {
  return control_->push(bytes, burst);
}
awaitable<Sent> Stream::room() {
  return control_->room();
}
void Stream::break_off() {
  control_->break_off();
}
awaitable<Wake> Stream::wait(std::chrono::milliseconds at_most) {
  return control_->wait(at_most);
}
Waker Stream::waker() const {
  return control_->waker();
}
awaitable<schemas::Result<std::optional<std::string_view>>> Stream::read_line() {
  return control_->read_line();
}
std::size_t Stream::line_number() const {
  return control_->line_number();
}
bool Stream::stopping() const {
  return control_->stopping();
}
bool Stream::gone() const {
  return control_->gone();
}

StreamControl::StreamControl(Connection& connection, Framing framing, Clock::duration patience)
    : connection_(connection),
      patience_(patience),
      framing_(framing),
      timer_(connection.executor()),
      slot_(std::make_shared<WakeSlot>(connection.executor())) {
  slot_->stream = this;
  connection_.keep_unsent(unsent_bytes_max);
}

StreamControl::~StreamControl() {
  slot_->stream = nullptr;
}

void StreamControl::read_lines(Parser& parser, std::size_t line_bytes_max,
                               Clock::duration patience) {
  lines_ = std::make_unique<LineReader>(connection_, parser, line_bytes_max, patience);
}

void StreamControl::watch_peer() {
  connection_.when_readable([slot = slot_](const boost::system::error_code& ec) {
    if (slot->stream == nullptr) return;
    // A peer that sends something instead is let be: it is read after the stream.
    if (ec || slot->stream->connection_.peer_closed()) slot->stream->peer_gone();
  });
}

void StreamControl::frame(Framed& framed, std::string_view bytes) const {
  framed.buffers = {asio::buffer(bytes), {}, {}};
  if (framing_ != Framing::chunked) return;
  const auto end = fmt::format_to_n(framed.size, sizeof(framed.size), "{:x}\r\n", bytes.size()).out;
  framed.buffers = {asio::buffer(framed.size, static_cast<std::size_t>(end - framed.size)),
                    asio::buffer(bytes), asio::buffer("\r\n", 2)};
}

/// A peer that reads fast never makes a stream wait; the core's other sessions want their turn.
awaitable<void> StreamControl::give_way() {
  if (++writes_ % writes_in_a_row != 0) co_return;
  co_await asio::post(connection_.executor(), asio::use_awaitable);
}

awaitable<Sent> StreamControl::write(std::string_view bytes) {
  if (gone_) co_return Sent::gone;
  if (bytes.empty()) co_return Sent::ok;  // an empty chunk would end the answer
  Framed framed;
  frame(framed, bytes);
  const auto io = co_await connection_.write(framed.buffers, patience_);
  if (io == Io::ok) {
    co_await give_way();
    co_return Sent::ok;
  }
  peer_gone();
  co_return io == Io::expired ? Sent::slow : Sent::gone;
}

Pushed StreamControl::push(std::string_view bytes, Burst burst) {
  if (gone_) return Pushed::gone;
  ENSURE(!bytes.empty() && left_.empty());
  Framed framed;
  frame(framed, bytes);
  auto taken = connection_.write_now(framed.buffers, burst == Burst::goes_on ? MSG_MORE : 0);
  if (!taken) {
    peer_gone();
    return Pushed::gone;
  }
  left_.reserve(asio::buffer_size(framed.buffers) - *taken);
  for (auto buffer : framed.buffers) {
    const auto step = std::min(*taken, buffer.size());
    buffer += step;
    *taken -= step;
    left_.append(static_cast<const char*>(buffer.data()), buffer.size());
  }
  return left_.empty() ? Pushed::all : Pushed::part;
}

awaitable<Sent> StreamControl::room() {
  if (gone_) co_return Sent::gone;
  const auto io = co_await connection_.write({asio::buffer(left_), {}, {}}, patience_);
  left_ = std::string();  // and its memory: `= {}` would keep it
  if (io == Io::ok) {
    co_await give_way();
    co_return Sent::ok;
  }
  peer_gone();
  co_return io == Io::expired ? Sent::slow : Sent::gone;
}

awaitable<Wake> StreamControl::wait(std::chrono::milliseconds at_most) {
  if (const auto already = news()) {
    // Through the loop: one stream that always has news does not keep its core from the others.
    co_await asio::post(connection_.executor(), asio::use_awaitable);
    co_return *already;
  }
  timer_.expires_after(at_most);
  const auto [ec] = co_await timer_.async_wait(as_result);
  // Cancelled by news, or run down; when both came together the news goes first.
  co_return news().value_or(ec ? Wake::signal : Wake::timeout);
}

awaitable<schemas::Result<std::optional<std::string_view>>> StreamControl::read_line() {
  ENSURE(lines_ != nullptr);  // only a request with `lines` has them
  return lines_->next();
}

std::size_t StreamControl::line_number() const {
  ENSURE(lines_ != nullptr);
  return lines_->number();
}

awaitable<bool> StreamControl::finish() {
  if (gone_ || broken_off_ || framing_ == Framing::until_close) co_return false;
  const auto io = co_await connection_.write({asio::buffer("0\r\n\r\n", 5)}, patience_);
  co_return io == Io::ok;
}

std::optional<Wake> StreamControl::news() {
  if (gone_) return Wake::gone;
  if (stopping_ && !std::exchange(stop_told_, true)) return Wake::stopping;
  if (std::exchange(signalled_, false)) {
    slot_->posted = false;
    return Wake::signal;
  }
  return std::nullopt;
}

void StreamControl::signal() {
  signalled_ = true;
  timer_.cancel();
}

void StreamControl::stop() {
  stopping_ = true;
  timer_.cancel();
  if (lines_) lines_->stop();
}

void StreamControl::peer_gone() {
  gone_ = true;
  timer_.cancel();
}

}  // namespace api::http
