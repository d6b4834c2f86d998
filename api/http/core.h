#pragma once

#include <atomic>
#include <cstddef>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/intrusive/list.hpp>

#include "api/http/connection.h"
#include "api/http/head.h"
#include "api/http/server.h"

namespace api::http {

class Session;

/// What all cores of a server share; immutable.
struct Setting {
  Options options;
  const Router& router;
  Handler handler;
  std::size_t connections_max;      ///< of one core
  std::size_t body_bytes_max;       ///< of all bodies that one core holds
  std::chrono::milliseconds check;  ///< how often deadlines are looked at
};

/// Counts something, or an amount of it, for as long as it lives.
class Counted {
 public:
  explicit Counted(std::atomic<std::size_t>& count, std::size_t amount = 1)
      : count_(count), amount_(amount) {
    count_ += amount_;
  }
  ~Counted() { count_ -= amount_; }
  void become(std::size_t amount) {
    count_ += amount - amount_;
    amount_ = amount;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<std::size_t>& count_;
  std::size_t amount_;
};

using SessionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// One thread's share of the server: an io_context, an acceptor and the sessions that it accepted.
/// Everything but gauges() and stop() is for that thread.
class Core {
 public:
  /// Binds, with SO_REUSEPORT; throws boost::system::system_error.
  Core(const Setting& setting, const asio::ip::tcp::endpoint& endpoint);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  /// Accepts and serves until stop() has done its work.
  void run();
  /// From any thread: begins the end, which run() brings about.
  void stop();
  Gauges gauges() const;

  // For sessions.
  const Setting& setting() const { return setting_; }
  bool stopping() const { return stopping_; }
  DateText& date() { return date_; }
  void enter(Session& session);
  void left();
  struct Counts {
    std::atomic<std::size_t> connections = 0;
    std::atomic<std::size_t> requests_in_flight = 0;
    std::atomic<std::size_t> streams = 0;
    std::atomic<std::size_t> body_bytes = 0;  // of requests in flight
  };
  Counts& counts() { return counts_; }

 private:
  using Sessions = boost::intrusive::list<Session, boost::intrusive::base_hook<SessionHook>,
                                          boost::intrusive::constant_time_size<false>>;
  using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, CoreExecutor>;

  awaitable<void> accept();
  awaitable<void> watch();
  void begin_stop();
  void enforce_stop(Clock::time_point now);

  // The context goes before what sessions touch when they end: should one be left in it, its
  // coroutine is destroyed with it.
  const Setting& setting_;
  Counts counts_;  // written by this thread, read by others
  DateText date_;
  Sessions sessions_;  // owned by their coroutines; a session leaves by itself
  bool stopping_ = false;
  bool destroyed_ = false;
  Clock::time_point stop_deadline_;
  asio::io_context context_{1};
  asio::basic_socket_acceptor<asio::ip::tcp, CoreExecutor> acceptor_;
  Timer watch_timer_;
  Timer accept_timer_;
};

}  // namespace api::http
