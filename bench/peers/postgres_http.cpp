// PostgreSQL behind the leanest HTTP server that still does the work: the peer of bench/peers.py.
//
//     postgres_http --port P --database CONNSTRING [--store table|grouped|message_db]
//                   [--backends N] [--categories N]
//
//     GET  /empty                        an empty answer: what this front costs by itself
//     POST /items/{entity}/events {"expected_version":3|"any","events":[{"type":"…","data":{…}},…]}
//                                        → 201 after the commit, 409
//     GET  /events?after=N&limit=N       events in order of position
//
// One thread with epoll. It trusts its caller: no keys, no permissions, requests in the form above
// with members in that order, and PostgreSQL checks the JSON. What it leaves out Tidemark does.
#include <array>
#include <cstdlib>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "bench/peers/postgres_store.h"

namespace {

using bench::peers::PostgresStore;

/// The text of the JSON object that begins at `at`, braces inside strings left alone.
std::string_view object_at(std::string_view text, std::size_t at) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return text.substr(at, i + 1 - at);
    }
  }
  throw std::runtime_error("an object does not end");
}

std::size_t after(std::string_view text, std::string_view word, std::size_t from = 0) {
  const auto at = text.find(word, from);
  if (at == std::string_view::npos) throw std::runtime_error(fmt::format("no {}", word));
  return at + word.size();
}

PostgresStore::Append parse_append(std::string entity, std::string body) {
  PostgresStore::Append append{std::move(entity), {}, std::move(body), {}};
  const std::string_view text = append.body;
  const auto version = after(text, "\"expected_version\":");
  if (text[version] != '"') append.expected = std::strtoll(&text[version], nullptr, 10);
  for (auto at = text.find("\"type\":\"", version); at != std::string_view::npos;) {
    const auto type = after(text, "\"type\":\"", at);
    const auto data = object_at(text, after(text, "\"data\":", type));
    append.events.push_back({text.substr(type, text.find('"', type) - type), data});
    at = text.find("\"type\":\"", static_cast<std::size_t>(data.end() - text.begin()));
  }
  return append;
}

std::int64_t number_after(std::string_view target, std::string_view word) {
  return std::strtoll(&target[after(target, word)], nullptr, 10);
}

class Front {
 public:
  Front(std::uint16_t port, PostgresStore& store) : store_(store), epoll_(epoll_create1(0)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 1024) != 0) {
      throw std::runtime_error("cannot listen");
    }
    watch(listener_);
    const auto sockets = store.sockets();
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      backends_[sockets[i]] = i;
      watch(sockets[i]);
    }
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events;
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)].data.fd);
      store_.flush();
    }
  }

 private:
  struct Connection {
    int socket;
    std::string in;
  };

  void watch(int descriptor) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
  }

  void serve(int descriptor) {
    if (descriptor == listener_) {
      const int socket = accept(listener_, nullptr, nullptr);
      const int one = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      connections_[socket] = std::make_shared<Connection>(socket, "");
      watch(socket);
    } else if (const auto backend = backends_.find(descriptor); backend != backends_.end()) {
      store_.readable(backend->second);
    } else {
      receive(connections_.at(descriptor));
    }
  }

  void receive(const std::shared_ptr<Connection>& connection) {
    std::array<char, 65536> piece;
    const auto got = recv(connection->socket, piece.data(), piece.size(), 0);
    if (got <= 0) {
      close(connection->socket);
      connections_.erase(std::exchange(connection->socket, -1));
      return;
    }
    auto& in = connection->in;
    in.append(piece.data(), static_cast<std::size_t>(got));
    const auto head = in.find("\r\n\r\n");
    if (head == std::string::npos) return;
    constexpr std::string_view length_name = "\r\nContent-Length:";
    const auto length = in.find(length_name);
    const auto size =
        length < head ? std::strtoul(&in[length + length_name.size()], nullptr, 10) : 0;
    if (in.size() < head + 4 + size) return;
    auto body = in.substr(head + 4, size);
    const auto first = in.find(' ') + 1;
    auto target = in.substr(first, in.find(' ', first) - first);
    in.clear();
    answer(connection, target, std::move(body));
  }

  void answer(const std::shared_ptr<Connection>& to, const std::string& target, std::string body) {
    constexpr std::string_view items = "/items/";
    if (target.starts_with(items)) {
      auto entity = target.substr(items.size(), target.find('/', items.size()) - items.size());
      auto append = parse_append(std::move(entity), std::move(body));
      store_.append(std::move(append), [to](PostgresStore::Outcome outcome) {
        using enum PostgresStore::Outcome;
        reply(*to,
              outcome == stored     ? "201 Created"
              : outcome == conflict ? "409 Conflict"
                                    : "500 Internal Server Error",
              "{}");
      });
    } else if (target.starts_with("/events?")) {
      const auto limit = static_cast<int>(number_after(target, "limit="));
      store_.read(number_after(target, "after="), limit,
                  [to](const std::string& page) { reply(*to, "200 OK", page); });
    } else {
      reply(*to, target == "/empty" ? "200 OK" : "404 Not Found", "{}");
    }
  }

  static void reply(const Connection& to, std::string_view status, std::string_view body) {
    const auto text =
        fmt::format("HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    status, body.size(), body);
    for (std::size_t sent = 0; to.socket >= 0 && sent < text.size();) {
      const auto wrote = send(to.socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) return;
      sent += static_cast<std::size_t>(wrote);
    }
  }

  PostgresStore& store_;
  int epoll_, listener_;
  std::unordered_map<int, std::size_t> backends_;
  std::unordered_map<int, std::shared_ptr<Connection>> connections_;
};

}  // namespace

int main(int argc, char** argv) try {
  PostgresStore::Options options;
  std::uint16_t port = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i], value = argv[i + 1];
    if (flag == "--port") port = static_cast<std::uint16_t>(std::atoi(argv[i + 1]));
    if (flag == "--database") options.database = value;
    if (flag == "--backends") options.backends = std::strtoul(argv[i + 1], nullptr, 10);
    if (flag == "--categories") options.categories = static_cast<unsigned>(std::atoi(argv[i + 1]));
    if (flag == "--store" && value == "grouped") options.kind = PostgresStore::Kind::grouped;
    if (flag == "--store" && value == "message_db") options.kind = PostgresStore::Kind::message_db;
  }
  PostgresStore store(options);
  Front(port, store).run();
} catch (const std::exception& error) {
  fmt::print(stderr, "postgres_http: {}\n", error.what());
  return 1;
}
