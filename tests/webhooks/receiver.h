#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "webhooks/http_client.h"

namespace webhooks {

/// What a receiver says.
struct ReceiverScript {
  std::string answer = "HTTP/1.1 204 No Content\r\n\r\n";
  std::chrono::milliseconds pace{0};    // between its bytes; 0: all at once
  int exchanges = 1000;                 // then it closes
  std::optional<std::string> greeting;  // said to who connects, and nothing read
};

/// A receiver of webhooks on every address of this machine, on a thread of its own: it counts who
/// connects, and to every request gives the same bytes, whole or one after the other.
class Receiver {
 public:
  explicit Receiver(ReceiverScript script = {}, boost::asio::ssl::context* tls = nullptr);
  ~Receiver();

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  /// To which of this machine's addresses they came.
  std::vector<std::string> addresses() const;
  std::vector<std::string> requests() const;

 private:
  awaitable<void> accept(boost::asio::ip::tcp::acceptor acceptor);
  awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  template <typename Stream>
  awaitable<void> talk(Stream& stream);

  ReceiverScript script_;
  boost::asio::ssl::context* tls_;
  boost::asio::io_context context_{1};
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> addresses_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace webhooks
