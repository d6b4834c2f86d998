// Sends one kind of HTTP request over keep-alive connections and prints what came of it as JSON.
//
//     generator --port P --path TEXT [--method M] [--header TEXT]… [--body TEXT]
//               [--connections N] [--seconds S] [--rate R] [--entities N] [--shared] [--step N]
//               [--prefix WORD] [--first TEXT]
//
// With a rate the load is open: requests are due at fixed moments whatever the server does, and a
// latency counts from the moment at which its request was due, not from when a connection was free
// to send it. A server that stalls is so charged with everybody who had to wait, which is what
// Gil Tene calls avoiding coordinated omission (README of wrk2). `service_ms` counts from the
// sending, for comparison. Without a rate every connection sends again as soon as it has its
// answer; then there is no schedule, and latency and service time are the same.
//
// In path and body {entity}, {version} and {number} are replaced. Each connection takes turns over
// its own `entities`, named by `prefix`; {version} is how many events of it were accepted so far
// (`step` of them a request; `first` instead of 0); {number} is used once in a run. With --shared
// all connections write one entity, and {version} means nothing. One thread.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "bench/histogram.h"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

struct Setting {
  std::uint16_t port = 0;
  std::string method = "GET", path, body, prefix = "e", first = "0";
  std::vector<std::string> headers;
  std::size_t connections = 64;
  std::uint64_t entities = 16;
  std::uint64_t step = 1;
  double seconds = 5;
  double rate = 0;
  bool shared = false;
};

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "generator: {}\n", why);
  std::exit(1);
}

Setting parse(int argc, char** argv) {
  Setting setting;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--shared") {
      setting.shared = true;
      continue;
    }
    if (i + 1 == argc) stop(fmt::format("{} wants a value", flag));
    const char* value = argv[++i];
    if (flag == "--port")
      setting.port = static_cast<std::uint16_t>(std::atoi(value));
    else if (flag == "--method")
      setting.method = value;
    else if (flag == "--path")
      setting.path = value;
    else if (flag == "--header")
      setting.headers.emplace_back(value);
    else if (flag == "--body")
      setting.body = value;
    else if (flag == "--prefix")
      setting.prefix = value;
    else if (flag == "--first")
      setting.first = value;
    else if (flag == "--connections")
      setting.connections = std::strtoul(value, nullptr, 10);
    else if (flag == "--entities")
      setting.entities = std::strtoul(value, nullptr, 10);
    else if (flag == "--step")
      setting.step = std::strtoul(value, nullptr, 10);
    else if (flag == "--seconds")
      setting.seconds = std::strtod(value, nullptr);
    else if (flag == "--rate")
      setting.rate = std::strtod(value, nullptr);
    else
      stop(fmt::format("unknown argument {}", flag));
  }
  if (setting.port == 0 || setting.path.empty()) stop("--port and --path must be given");
  if (setting.connections == 0 || setting.entities == 0) stop("0 connections or entities");
  return setting;
}

/// A text with places to fill in.
class Template {
 public:
  struct Values {
    std::string_view entity, version;
    std::uint64_t number;
  };

  explicit Template(std::string_view text) {
    while (!text.empty()) {
      std::size_t at = std::string_view::npos;
      char place = 0;
      for (const std::string_view word : {"{entity}", "{version}", "{number}"}) {
        if (const auto found = text.find(word); found < at) {
          at = found;
          place = word[1];
        }
      }
      pieces_.push_back({std::string(text.substr(0, at)), place});
      if (place == 0) break;
      text.remove_prefix(text.find('}', at) + 1);
    }
  }

  void fill(std::string& out, const Values& values) const {
    for (const auto& [text, place] : pieces_) {
      out += text;
      if (place == 'e') out += values.entity;
      if (place == 'v') out += values.version;
      if (place == 'n') fmt::format_to(std::back_inserter(out), "{:010}", values.number);
    }
  }

 private:
  struct Piece {
    std::string text;
    char place;  // e, v, n; 0: none
  };
  std::vector<Piece> pieces_;
};

struct Connection {
  int socket = -1;
  std::vector<std::uint64_t> versions;  // of its entities
  std::size_t turn = 0;
  std::string out, in;
  std::size_t sent = 0;
  bool busy = false;
  Clock::time_point due, begun;
};

/// Status and whole length of the answer in `text`, once its head is there.
struct Answer {
  int status;
  std::size_t size;
};

std::optional<Answer> answer_in(std::string_view text) {
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos || text.size() < 12) return std::nullopt;
  Answer answer{std::atoi(text.data() + 9), end + 4};
  for (std::size_t line = text.find("\r\n"); line < end; line = text.find("\r\n", line + 2)) {
    constexpr std::string_view wanted = "content-length:";
    const auto name = text.substr(line + 2, wanted.size());
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (std::ranges::equal(name, wanted, same)) {
      answer.size += std::strtoul(text.data() + line + 2 + wanted.size(), nullptr, 10);
    }
  }
  return answer;
}

class Load {
 public:
  explicit Load(const Setting& setting)
      : setting_(setting),
        path_(setting.path),
        body_(setting.body),
        epoll_(epoll_create1(0)),
        timer_(timerfd_create(CLOCK_MONOTONIC, 0)),
        connections_(setting.connections) {
    watch(timer_, setting.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].versions.resize(setting.entities);
      connect(i);
    }
  }

  void run() {
    begin_ = Clock::now();
    end_ = begin_ +
           std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(setting_.seconds));
    for (std::size_t i = 0; i < connections_.size(); ++i) free_.push_back(i);
    send_due();
    // What was due is waited for, but not for ever: a dead server is a result, too.
    const auto patience = end_ + std::chrono::seconds(20);
    while ((Clock::now() < end_ || busy_ > 0 || owed()) && Clock::now() < patience) {
      std::array<epoll_event, 64> events;
      const int count = epoll_wait(epoll_, events.data(), events.size(), 100);
      for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)].data.u64);
      send_due();
    }
    finished_ = Clock::now();
  }

  void print() const {
    const double took = std::chrono::duration<double>(finished_ - begin_).count();
    fmt::print(
        "{{\"offered\":{},\"rate\":{:.2f},\"requests\":{},\"seconds\":{:.4f},\"failed\":{},"
        "\"conflicts\":{},\"unsent\":{},\"bytes\":{}",
        setting_.rate, static_cast<double>(accepted_) / took, accepted_, took, failed_, conflicts_,
        due_ - sent_, bytes_);
    print("latency_ms", latency_);
    print("service_ms", service_);
    fmt::print(",\"first_failure\":\"{}\"}}\n", first_failure_);
  }

 private:
  static double milliseconds(nanoseconds duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
  }
  static void print(std::string_view name, const bench::Histogram& histogram) {
    fmt::print(",\"{}\":{{", name);
    for (const double share : {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999}) {
      fmt::print("\"{:g}\":{:.4f},", share, milliseconds(histogram.at(share)));
    }
    fmt::print("\"1\":{:.4f}}}", milliseconds(histogram.largest()));
  }

  void watch(int descriptor, std::size_t name) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = name}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
  }

  void connect(std::size_t index) {
    auto& connection = connections_[index];
    connection.socket = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(setting_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(connection.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      stop(fmt::format("cannot connect to port {}: {}", setting_.port, std::strerror(errno)));
    }
    const int one = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(connection.socket, index);
  }

  bool open_loop() const { return setting_.rate > 0; }
  Clock::time_point due_at(std::uint64_t number) const {
    return begin_ + nanoseconds(static_cast<std::int64_t>(static_cast<double>(number) * 1e9 /
                                                          setting_.rate));
  }
  bool owed() const { return open_loop() && sent_ < due_; }

  /// Sends what is due on the connections that are free, and sets the alarm for what comes next.
  void send_due() {
    const auto now = Clock::now();
    if (!open_loop()) {
      while (!free_.empty() && now < end_) send(now, now);
      due_ = sent_;
      return;
    }
    while (due_at(due_) <= now && due_at(due_) < end_) ++due_;
    while (!free_.empty() && sent_ < due_) send(due_at(sent_), Clock::now());
    if (due_at(due_) >= end_) return;
    const auto wait = std::max(nanoseconds(1), due_at(due_) - Clock::now());
    const itimerspec alarm{{}, {wait.count() / 1'000'000'000, wait.count() % 1'000'000'000}};
    timerfd_settime(timer_, 0, &alarm, nullptr);
  }

  void send(Clock::time_point due, Clock::time_point now) {
    const auto index = free_.front();
    free_.pop_front();
    auto& connection = connections_[index];
    connection.turn = (connection.turn + 1) % setting_.entities;
    entity_.clear();
    fmt::format_to(std::back_inserter(entity_), "{}-{}", setting_.prefix,
                   setting_.shared ? 0 : index * setting_.entities + connection.turn);
    const auto version = connection.versions[connection.turn];
    const auto expected = version == 0 ? setting_.first : std::to_string(version);
    const Template::Values values{entity_, expected, sent_};
    filled_.clear();
    body_.fill(filled_, values);
    auto& out = connection.out;
    out = setting_.method + " ";
    path_.fill(out, values);
    out += " HTTP/1.1\r\nHost: bench\r\n";
    for (const auto& header : setting_.headers) (out += header) += "\r\n";
    if (!setting_.body.empty()) {
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", filled_.size());
    }
    (out += "\r\n") += filled_;
    connection.busy = true;
    connection.due = due;
    connection.begun = now;
    connection.sent = 0;
    ++sent_;
    ++busy_;
    push(index);
  }

  void push(std::size_t index) {
    auto& connection = connections_[index];
    while (connection.sent < connection.out.size()) {
      const auto wrote = ::send(connection.socket, connection.out.data() + connection.sent,
                                connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (wrote <= 0) return fail(index, "a connection broke while sending");
      connection.sent += static_cast<std::size_t>(wrote);
    }
  }

  void serve(std::size_t name) {
    if (name == setting_.connections) {
      std::uint64_t expirations;
      (void)!read(timer_, &expirations, sizeof expirations);
      return;
    }
    auto& connection = connections_[name];
    std::array<char, 65536> piece;
    const auto got = recv(connection.socket, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return fail(name, "the server closed a connection");
    connection.in.append(piece.data(), static_cast<std::size_t>(got));
    const auto answer = answer_in(connection.in);
    if (!answer || connection.in.size() < answer->size) return;
    finish(name, *answer);
  }

  void finish(std::size_t index, const Answer& answer) {
    auto& connection = connections_[index];
    const auto now = Clock::now();
    if (answer.status >= 200 && answer.status < 300) {
      latency_.add(now - connection.due);
      service_.add(now - connection.begun);
      connection.versions[connection.turn] += setting_.step;
      ++accepted_;
    } else if (answer.status == 409) {
      ++conflicts_;
    } else {
      ++failed_;
      if (first_failure_.empty()) first_failure_ = fmt::format("status {}", answer.status);
    }
    bytes_ += answer.size;
    connection.in.clear();
    release(index);
  }

  void release(std::size_t index) {
    auto& connection = connections_[index];
    if (connection.busy) --busy_;
    connection.busy = false;
    free_.push_back(index);
  }

  void fail(std::size_t index, const char* why) {
    ++failed_;
    if (first_failure_.empty()) first_failure_ = why;
    if (failed_ > 1000) stop(why);
    close(connections_[index].socket);
    connections_[index].in.clear();
    connect(index);
    if (connections_[index].busy) release(index);
  }

  const Setting& setting_;
  const Template path_, body_;
  int epoll_, timer_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;  // in turns, so that the server closes none as idle
  Clock::time_point begin_, end_, finished_;
  std::uint64_t due_ = 0, sent_ = 0, accepted_ = 0, failed_ = 0, conflicts_ = 0, bytes_ = 0;
  std::size_t busy_ = 0;
  bench::Histogram latency_, service_;
  std::string entity_, filled_, first_failure_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto setting = parse(argc, argv);
  Load load(setting);
  load.run();
  load.print();
}
