#pragma once

#include <algorithm>
#include <arpa/inet.h>
#include <cstdint>
#include <map>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

/// A client that sends bytes as told, over a real socket on loopback.
namespace api::http {

/// What a client reads as one answer. Header names are in lower case.
struct Answer {
  unsigned status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
};

/// A blocking socket. Reads give up after five seconds: then they return what came until then.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer_bytes = 0);
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;

  /// False when the server has closed.
  bool send(std::string_view bytes);
  void finish_sending();
  /// The next answer; status 0 when none comes. The answer to a HEAD request has no body.
  enum class Asked { other, head };
  Answer answer(Asked asked = Asked::other);
  /// Everything up to and with `end`, or all that came.
  std::string read_until(std::string_view end);
  /// Whatever comes next.
  std::string read_some();
  /// Everything until the server closes.
  std::string read_all();
  /// Whether the server closes, without another byte, before reads give up.
  bool closed();
  Answer ask(std::string_view request) {
    send(request);
    return answer();
  }

 private:
  bool fill();
  std::string take(std::size_t bytes);
  std::string read_chunks();

  int socket_;
  std::string received_;
};

inline std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

inline Client::Client(std::uint16_t port, int receive_buffer_bytes)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (receive_buffer_bytes > 0) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof(receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ADD_FAILURE() << "connect: " << std::generic_category().message(errno);
  }
}

inline Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

inline Client::Client(Client&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}

inline bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

inline void Client::finish_sending() {
  ::shutdown(socket_, SHUT_WR);
}

inline bool Client::fill() {
  char buffer[64 * 1024];
  const auto size = ::recv(socket_, buffer, sizeof(buffer), 0);
  if (size <= 0) return false;
  received_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

inline std::string Client::take(std::size_t bytes) {
  while (received_.size() < bytes && fill()) {
  }
  auto taken = received_.substr(0, bytes);
  received_.erase(0, bytes);
  return taken;
}

inline std::string Client::read_until(std::string_view end) {
  while (!received_.contains(end) && fill()) {
  }
  const auto found = received_.find(end);
  return take(found == std::string::npos ? received_.size() : found + end.size());
}

inline std::string Client::read_some() {
  if (received_.empty()) fill();
  return std::exchange(received_, {});
}

inline std::string Client::read_all() {
  while (fill()) {
  }
  return std::exchange(received_, {});
}

inline bool Client::closed() {
  char byte = 0;
  return received_.empty() && ::recv(socket_, &byte, 1, 0) == 0;
}

inline std::string Client::read_chunks() {
  std::string body;
  while (true) {
    const auto line = read_until("\r\n");
    if (line.empty()) return body;
    const auto size = std::stoul(line, nullptr, 16);
    const auto chunk = take(size + 2);
    if (size == 0 || chunk.size() < size) return body;
    body += chunk.substr(0, size);
  }
}

inline Answer Client::answer(Asked asked) {
  Answer answer;
  auto head = read_until("\r\n\r\n");
  if (!head.starts_with("HTTP/1.1 ")) return answer;
  answer.status = static_cast<unsigned>(std::stoul(head.substr(9, 3)));
  for (auto at = head.find("\r\n") + 2; at + 2 < head.size();) {
    const auto end = head.find("\r\n", at);
    const auto colon = head.find(": ", at);
    answer.headers[lower_case(head.substr(at, colon - at))] =
        head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  if (asked == Asked::head) return answer;
  if (answer.headers.contains("content-length")) {
    answer.body = take(std::stoul(answer.headers["content-length"]));
  } else if (answer.headers.contains("transfer-encoding")) {
    answer.body = read_chunks();
  }
  return answer;
}

}  // namespace api::http
