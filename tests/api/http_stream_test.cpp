// Goal: a stream writes and reads at the same time, knows of wake-ups, of a peer that is gone or
// slow and of the server's stop, and costs little while nothing happens. Method: a real server
// whose handlers stream; wake-ups come from the test's own thread.
#include <atomic>
#include <functional>
#include <future>
#include <malloc.h>
#include <sys/resource.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <gtest/gtest.h>

#include "tests/api/http_fixture.h"

namespace api::http {
namespace {

using namespace std::chrono_literals;

std::string_view to_text(Wake wake) {
  switch (wake) {
    case Wake::signal:
      return "signal";
    case Wake::timeout:
      return "timeout";
    case Wake::gone:
      return "gone";
    case Wake::stopping:
      return "stopping";
  }
  return "";
}

awaitable<void> count_down(int from, Stream stream) {
  for (int i = from; i > 0; --i) co_await stream.write(std::to_string(i) + "\n");
}

using Last = std::shared_ptr<std::atomic<Sent>>;  // with the stream, which may outlive the test

awaitable<void> flood(Last last, Stream stream) {
  const std::string piece(64 * 1024, 'x');
  while (*last == Sent::ok) *last = co_await stream.write(piece);
}

/// Sends a line for every wake-up until the peer is gone or the server stops.
awaitable<void> follow(std::chrono::milliseconds patience, Stream stream) {
  auto wake = Wake::signal;
  while (wake != Wake::gone && wake != Wake::stopping) {
    wake = co_await stream.wait(patience);
    const auto line = std::string(to_text(wake)) + "\n";
    if (co_await stream.write(line) != Sent::ok) co_return;
  }
}

awaitable<void> answer_lines(Stream stream) {
  for (int count = 1;; ++count) {
    const auto line = co_await stream.read_line();
    if (!line) {
      co_await stream.write("error: " + line.error().detail + "\n");
      co_return;
    }
    if (!*line) break;
    co_await stream.write(std::to_string(count) + ":" + std::string(**line) + "\n");
  }
  co_await stream.write("end\n");
}

class HttpStream : public ServerTest {
 protected:
  void start_streams() {
    route({Method::get, "/count"}, [](Request) -> awaitable<Response> {
      co_return streamed("text/plain", [](Stream stream) { return count_down(3, stream); });
    });
    route({Method::get, "/idle"}, [](Request) -> awaitable<Response> {
      co_return streamed("text/event-stream", [](Stream stream) { return follow(1h, stream); });
    });
    route({Method::get, "/tick"}, [](Request) -> awaitable<Response> {
      co_return streamed("text/plain", [](Stream stream) { return follow(5ms, stream); });
    });
    route({Method::get, "/flood"}, [last = flooded_](Request) -> awaitable<Response> {
      co_return streamed("text/plain", std::bind_front(flood, last));
    });
    route({Method::get, "/throws"}, [](Request) -> awaitable<Response> {
      co_return streamed("text/plain",
                         [](Stream) -> awaitable<void> { throw std::logic_error("a bug"); });
    });
    route({Method::post, "/lines", 100, 32}, [](Request request) -> awaitable<Response> {
      if (!request.lines) co_return json_response(200, std::move(request.body));
      co_return streamed("application/x-ndjson", answer_lines);
    });
    start();
  }
  static constexpr std::string_view lines_head =
      "POST /lines HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson; charset=utf-8\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  static std::string chunk(const std::string& text) {
    char size[20];
    return std::string(size, static_cast<std::size_t>(
                                 snprintf(size, sizeof(size), "%zx\r\n", text.size()))) +
           text + "\r\n";
  }

  const Last flooded_ = std::make_shared<std::atomic<Sent>>(Sent::ok);
};

TEST_F(HttpStream, IsChunkedAndKeepsTheConnection) {
  start_streams();
  auto client = connect();
  auto answer = client.ask("GET /count HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.headers["content-type"], "text/plain");
  EXPECT_EQ(answer.body, "3\n2\n1\n");
  EXPECT_EQ(client.ask("GET /count HTTP/1.1\r\nHost: x\r\n\r\n").body, "3\n2\n1\n");
  client.send("GET /count HTTP/1.1\r\nHost: x\r\n\r\nGET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer().body, "3\n2\n1\n");
  EXPECT_EQ(client.answer().status, 204u);
}

TEST_F(HttpStream, EndsWithTheConnectionForHttp10) {
  start_streams();
  auto client = connect();
  client.send("GET /count HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(client.read_until("\r\n\r\n").contains("Connection: close"));
  EXPECT_EQ(client.read_all(), "3\n2\n1\n");
}

TEST_F(HttpStream, IsLeftOutForHead) {
  start_streams();
  auto client = connect();
  client.send("HEAD /idle HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer(Client::Asked::head).status, 200u);
  EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
}

awaitable<void> break_off(Stream stream) {
  co_await stream.write("half of");
  stream.break_off();
}

TEST_F(HttpStream, IsCutWhenItIsBrokenOff) {
  route({Method::get, "/broken"},
        [](Request) -> awaitable<Response> { co_return streamed("text/plain", break_off); });
  start();
  auto client = connect();
  client.send("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_all(), "7\r\nhalf of\r\n");  // closed, and no last chunk
}

TEST_F(HttpStream, IsCutWhenItsFunctionThrows) {
  start_streams();
  auto client = connect();
  client.send("GET /throws HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_all(), "");  // and no last chunk
}

awaitable<void> hand_out_waker(std::promise<Waker>& promise, Stream stream) {
  promise.set_value(stream.waker());
  return follow(1h, stream);
}

TEST_F(HttpStream, WakesUpFromAnotherThread) {
  std::promise<Waker> promise;
  route({Method::get, "/wakes"}, [&promise](Request) -> awaitable<Response> {
    co_return streamed("text/plain",
                       [&promise](Stream stream) { return hand_out_waker(promise, stream); });
  });
  start();
  auto client = connect();
  client.send("GET /wakes HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto wake = promise.get_future().get();
  client.read_until("\r\n\r\n");
  for (int i = 0; i < 100; ++i) {
    wake();
    EXPECT_EQ(client.read_until("signal\n\r\n"), "7\r\nsignal\n\r\n");
  }
  client.finish_sending();
  EXPECT_TRUE(eventually([&] { return server().gauges().streams == 0; }));
  wake();  // nobody is there any more
}

TEST_F(HttpStream, WaitsEnd) {
  start_streams();
  auto client = connect();
  client.send("GET /tick HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.read_until("timeout\n").ends_with("timeout\n"));
}

TEST_F(HttpStream, KnowsThatThePeerIsGone) {
  start_streams();
  {
    auto client = connect();
    client.send("GET /idle HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_until("\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return server().gauges().streams == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return server().gauges().connections == 0; }));
}

TEST_F(HttpStream, LeavesAPeerThatDoesNotRead) {
  options_.deadlines.write = 100ms;
  start_streams();
  Client client(server().port(), 4096);
  client.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  // On a busy machine all of it may be over before this thread looks for the first time.
  EXPECT_TRUE(eventually([&] { return *flooded_ == Sent::slow; }));
  EXPECT_TRUE(eventually([&] { return server().gauges().connections == 0; }));
}

TEST_F(HttpStream, OneThatNeverWaitsLeavesOthersTheirTurn) {
  start_streams();
  std::vector<Client> readers;
  std::vector<std::thread> threads;
  std::atomic<bool> enough = false;
  for (int i = 0; i < 4; ++i) {
    auto& reader = readers.emplace_back(connect());
    reader.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  for (auto& reader : readers) {
    threads.emplace_back([&] {
      while (!enough) reader.read_some();
    });
  }
  for (int i = 0; i < 20; ++i) {
    auto client = connect();
    EXPECT_EQ(client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n").status, 204u);
  }
  enough = true;
  for (auto& thread : threads) thread.join();
}

TEST_F(HttpStream, AnswersLinesWhileTheyCome) {
  start_streams();
  auto client = connect();
  client.send(lines_head);
  EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
  client.send(chunk("one\n"));
  EXPECT_EQ(client.read_until("\n\r\n"), "6\r\n1:one\n\r\n");
  client.send(chunk("tw"));
  client.send(chunk("o\r\n\n\r\nthree\nfo"));
  EXPECT_EQ(client.read_until("3:three\n\r\n"), "6\r\n2:two\n\r\n8\r\n3:three\n\r\n");
  client.send(chunk("ur") + "0\r\n\r\nGET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "7\r\n4:four\n\r\n4\r\nend\n\r\n0\r\n\r\n");
  EXPECT_EQ(client.answer().status, 204u);
}

TEST_F(HttpStream, AsksForLinesThatWaitToBeAsked) {
  start_streams();
  auto client = connect();
  client.send(
      "POST /lines HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
      "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("one\n").body, "1:one\nend\n");
}

TEST_F(HttpStream, LinesHaveALimitAndTheirBodyHasNone) {
  start_streams();
  auto client = connect();
  std::string body;
  for (int i = 0; i < 100'000; ++i) body += std::string(32, 'a') + "\n";
  auto sent = std::async(std::launch::async, [&] {
    return client.send(std::string(lines_head) + chunk(body) + "0\r\n\r\n");
  });
  const auto answer = client.answer();
  EXPECT_TRUE(sent.get());
  EXPECT_TRUE(answer.body.ends_with("100000:" + std::string(32, 'a') + "\nend\n"));
  client.send(std::string(lines_head) + chunk("short\n" + std::string(33, 'a') + "\nshort\n") +
              "0\r\n\r\n");
  EXPECT_EQ(client.answer().body, "1:short\nerror: a line may have 32 bytes\n");
}

TEST_F(HttpStream, ALineWithoutEndIsBoundedToo) {
  start_streams();
  auto client = connect();
  client.send(std::string(lines_head) + chunk(std::string(1000, 'a')));
  EXPECT_EQ(client.answer().body, "error: a line may have 32 bytes\n");
  EXPECT_TRUE(client.send(chunk(std::string(1 << 20, 'a'))));  // drained
}

TEST_F(HttpStream, LinesThatStopComingAreAnError) {
  options_.deadlines.idle = 100ms;
  start_streams();
  auto client = connect();
  client.send(std::string(lines_head) + chunk("one\ntw"));
  EXPECT_EQ(client.answer().body, "1:one\nerror: the body did not arrive in time\n");
  auto broken = connect();
  broken.send(std::string(lines_head) + "zz\r\n");
  EXPECT_TRUE(broken.answer().body.starts_with("error: the body is not framed as HTTP"));
  auto closing = connect();
  closing.send(std::string(lines_head) + chunk("one\ntw"));
  closing.finish_sending();
  EXPECT_EQ(closing.answer().body, "1:one\nerror: the connection ended within the body\n");
}

TEST_F(HttpStream, OtherContentTypesAreReadWhole) {
  start_streams();
  auto client = connect();
  EXPECT_EQ(client.ask("POST /lines HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\none\n").body,
            "one\n");
  EXPECT_EQ(client.ask("POST /lines HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n").status,
            413u);
}

/// One coroutine reads while another one answers, as the bulk route does.
struct Doubling {
  std::vector<std::string> read;
  bool ended = false;
};
awaitable<void> read_into(Doubling& doubling, Stream stream) {
  const auto wake = stream.waker();
  while (true) {
    const auto line = co_await stream.read_line();
    doubling.ended = !line || !*line;
    if (!doubling.ended) doubling.read.emplace_back(**line);
    wake();
    if (doubling.ended) co_return;
  }
}
awaitable<void> answer_from(Doubling& doubling, Stream stream) {
  for (std::size_t next = 0; next < doubling.read.size() || !doubling.ended;) {
    if (next == doubling.read.size()) {
      co_await stream.wait(1h);
    } else {
      co_await stream.write(doubling.read[next] + doubling.read[next] + "\n");
      ++next;
    }
  }
}
awaitable<void> double_lines(Stream stream) {
  using namespace asio::experimental::awaitable_operators;
  Doubling doubling;
  co_await (read_into(doubling, stream) && answer_from(doubling, stream));
}

TEST_F(HttpStream, ReadsAndWritesAtOnce) {
  route({Method::post, "/double", 100, 32}, [](Request) -> awaitable<Response> {
    co_return streamed("application/x-ndjson", double_lines);
  });
  start();
  auto client = connect();
  client.send(
      "POST /double HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  client.read_until("\r\n\r\n");
  for (int i = 0; i < 100; ++i) {
    client.send(chunk("a" + std::to_string(i) + "\n"));
    const auto twice = "a" + std::to_string(i) + "a" + std::to_string(i) + "\n";
    EXPECT_EQ(client.read_until("\n\r\n"), chunk(twice));
  }
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST_F(HttpStream, AnIdleOneTakesLittleMemory) {
  const rlimit files{.rlim_cur = 8192, .rlim_max = 8192};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) GTEST_SKIP() << "needs 8,192 descriptors";
  start_streams();
  constexpr int count = 2000;
  std::vector<Client> clients;
  clients.reserve(count);
  const auto open = [&] {
    auto& client = clients.emplace_back(connect());
    client.send("GET /idle HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + std::string(60, 'k') +
                "\r\n\r\n");
    EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
  };
  open();
  const auto before = ::mallinfo2().uordblks;
  while (clients.size() < count) open();
  const auto each = (::mallinfo2().uordblks - before) / (count - 1);
  RecordProperty("bytes_per_idle_stream", std::to_string(each));
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && \
    !__has_feature(thread_sanitizer)
  std::cout << "bytes of an idle stream: " << each << "\n";
  EXPECT_LE(each, 4096u);
#endif
}

}  // namespace
}  // namespace api::http
