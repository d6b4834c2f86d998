#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio.hpp>

/// Forwards one port's connections to another, until it is told not to.
class Relay {
 public:
  explicit Relay(std::uint16_t to) : to_(to) {
    boost::asio::post(io_, [this] { accept(); });
  }
  ~Relay() {
    io_.stop();
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  /// As when the process at the other end is killed.
  void cut() {
    boost::asio::post(io_, [this] {
      for (auto& pair : pairs_) {
        pair->from.close();
        pair->to.close();
      }
      pairs_.clear();
    });
  }
  /// As when it is stopped: connections stand, nothing comes.
  void fall_silent() { silent_ = true; }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  struct Pair {
    Socket from;
    Socket to;
    std::array<char, 65536> there{};
    std::array<char, 65536> back{};
  };
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, Socket from) {
      if (error) return;
      auto pair = std::make_shared<Pair>(std::move(from), Socket(io_));
      pair->to.connect({boost::asio::ip::address_v4::loopback(), to_}, error);
      pairs_.push_back(pair);
      pump(pair, pair->from, pair->to, pair->there);
      pump(pair, pair->to, pair->from, pair->back);
      accept();
    });
  }
  void pump(const std::shared_ptr<Pair>& pair, Socket& from, Socket& to,
            std::array<char, 65536>& buffer) {
    from.async_read_some(
        boost::asio::buffer(buffer),
        [this, pair, &from, &to, &buffer](boost::system::error_code error, std::size_t size) {
          if (!error && !silent_) {
            boost::asio::write(to, boost::asio::buffer(buffer, size), error);
          }
          if (!error) return pump(pair, from, to, buffer);
          from.close(error);
          to.close(error);
        });
  }

  const std::uint16_t to_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::vector<std::shared_ptr<Pair>> pairs_;
  std::atomic<bool> silent_ = false;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> works_{
      io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
};
