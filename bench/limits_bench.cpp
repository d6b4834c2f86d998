// What does the machine allow? Bare loops that do what a store cannot do without, and nothing else:
// what figures of the other questions are held against. One line of JSON.
//
//     limits_bench --directory DIR [--seconds N]
//
//     sync      pwritev and fdatasync of 4 KiB and 64 KiB into written space, one after the other
//     copy      memcpy of 64 MiB, so that no cache helps
//     echo      256 bytes there and back over loopback: one connection, then 64 at once by epoll
//     rows      batches of 32 and 200 rows of 200 bytes into RocksDB, which the projector writes
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <random>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "projections/read_store.h"

namespace {

using Clock = std::chrono::steady_clock;

/// How often a second `work` can be done, tried for so many seconds.
template <typename Work>
double rate_of(double seconds, Work work) {
  const auto begin = Clock::now();
  std::uint64_t count = 0;
  double taken = 0;
  while (taken < seconds) {
    work();
    ++count;
    taken = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return static_cast<double>(count) / taken;
}

void need(bool good, const char* what) {
  if (good) return;
  fmt::print(stderr, "limits_bench: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

double syncs(const std::string& directory, std::size_t size, double seconds) {
  const auto path = directory + "/sync";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  need(file >= 0, "open");
  constexpr std::size_t space = 64u << 20;
  std::vector<char> bytes(space, 'x');
  need(pwrite(file, bytes.data(), space, 0) == static_cast<ssize_t>(space), "pwrite");
  need(fsync(file) == 0, "fsync");
  std::size_t at = 0;
  const double rate = rate_of(seconds, [&] {
    const iovec piece{bytes.data(), size};
    need(pwritev(file, &piece, 1, static_cast<off_t>(at)) == static_cast<ssize_t>(size), "pwritev");
    need(fdatasync(file) == 0, "fdatasync");
    at = (at + size) % space;
  });
  close(file);
  std::filesystem::remove(path);
  return rate;
}

double copies(double seconds) {
  constexpr std::size_t size = 64u << 20;
  std::vector<char> from(size, 'a'), to(size, 'b');
  return rate_of(seconds,
                 [&] {
                   std::memcpy(to.data(), from.data(), size);
                   benchmark::ClobberMemory();
                   benchmark::DoNotOptimize(to.data());
                 }) *
         size;
}

constexpr std::size_t message = 256;

/// A listener, and a thread that sends back whatever comes until everybody has gone.
class Echo {
 public:
  explicit Echo(std::size_t connections) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    need(listen(listener_, 128) == 0, "listen");
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    for (std::size_t i = 0; i < connections; ++i) {
      near_.push_back(socket(AF_INET, SOCK_STREAM, 0));
      need(connect(near_.back(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
           "connect");
      far_.push_back(accept(listener_, nullptr, nullptr));
      const int one = 1;
      for (const int end : {near_.back(), far_.back()}) {
        setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      }
    }
    worker_ = std::thread([this] { serve(far_, far_.size()); });
  }
  ~Echo() {
    for (const int end : near_) close(end);
    worker_.join();
    for (const int end : far_) close(end);
    close(listener_);
  }
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  /// Round trips a second with every connection busy.
  double rate(double seconds) {
    std::array<char, message> bytes{};
    const int poll = watch(near_);
    for (const int end : near_) need(write(end, bytes.data(), message) > 0, "write");
    std::array<epoll_event, 64> events;
    std::uint64_t count = 0;
    const auto begin = Clock::now();
    double taken = 0;
    while (taken < seconds) {
      const int ready = epoll_wait(poll, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        const int end = events[static_cast<std::size_t>(i)].data.fd;
        need(read(end, bytes.data(), message) > 0, "read");
        need(write(end, bytes.data(), message) > 0, "write");
        ++count;
      }
      taken = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    close(poll);
    return static_cast<double>(count) / taken;
  }

 private:
  static int watch(const std::vector<int>& ends) {
    const int poll = epoll_create1(0);
    for (const int end : ends) {
      epoll_event event{.events = EPOLLIN, .data = {.fd = end}};
      epoll_ctl(poll, EPOLL_CTL_ADD, end, &event);
    }
    return poll;
  }
  static void serve(const std::vector<int>& ends, std::size_t open) {
    const int poll = watch(ends);
    std::array<char, message> bytes;
    std::array<epoll_event, 64> events;
    while (open > 0) {
      const int ready = epoll_wait(poll, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        const int end = events[static_cast<std::size_t>(i)].data.fd;
        const auto got = read(end, bytes.data(), message);
        if (got > 0 && send(end, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) > 0) {
          continue;
        }
        epoll_ctl(poll, EPOLL_CTL_DEL, end, nullptr);
        --open;
      }
    }
    close(poll);
  }

  int listener_;
  std::vector<int> near_, far_;
  std::thread worker_;
};

/// Rows a second in batches of some, under random keys of a million.
double rows(const std::string& directory, std::size_t batch, double seconds) {
  const std::filesystem::path path = directory + "/rows";
  double rate = 0;
  {
    auto store = projections::open_rocks_store(path);
    need(store.has_value(), "rocksdb");
    std::mt19937_64 random(1);
    std::uint64_t written = 0;
    rate = rate_of(seconds, [&] {
      projections::WriteSet changes;
      while (changes.size() < batch) {
        changes[fmt::format("{:024}", random() % 1'000'000)] = std::string(200, 'v');
      }
      need((*store)->write(changes).has_value(), "write of rows");
      if ((written += batch) % 64'000 < batch) (*store)->flush_soon();
    });
  }
  std::filesystem::remove_all(path);
  return rate * static_cast<double>(batch);
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory;
  double seconds = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--directory") directory = argv[i + 1];
    if (flag == "--seconds") seconds = std::strtod(argv[i + 1], nullptr);
  }
  if (directory.empty()) {
    fmt::print(stderr, "usage: limits_bench --directory DIR [--seconds N]\n");
    return 1;
  }
  std::filesystem::create_directories(directory);
  const auto echo = [&](std::size_t connections) { return Echo(connections).rate(seconds); };
  fmt::print(R"({{"sync_4k":{:.1f},"sync_64k":{:.1f},"copy":{:.0f},)",
             syncs(directory, 4096, seconds), syncs(directory, 65536, seconds), copies(seconds));
  fmt::print(R"("echo_1":{:.0f},"echo_64":{:.0f},"rows_32":{:.0f},"rows_200":{:.0f}}})"
             "\n",
             echo(1), echo(64), rows(directory, 32, seconds), rows(directory, 200, seconds));
}
