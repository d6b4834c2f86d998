// The HTTP client of deliveries alone: no log, no signature, no outcome. Each connection sends its
// next request when it has its answer, for so many seconds; the rate comes out as JSON.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "webhooks/http_client.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Run {
  webhooks::HttpUrl url;
  webhooks::HttpRequest request;
  Clock::time_point end;
  std::uint64_t answers = 0;
  std::uint64_t failures = 0;
};

boost::asio::awaitable<void> send(Run& run) {
  constexpr std::size_t body_kept = 4'096;
  auto connection = co_await webhooks::HttpConnection::open(run.url);
  while (connection && Clock::now() < run.end) {
    const auto answer = co_await connection->ask_head(run.request, body_kept);
    if (!answer || answer->answer.status / 100 != 2 || !answer->reusable) break;
    ++run.answers;
  }
  if (Clock::now() < run.end) ++run.failures;
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) {
    fmt::print(stderr, "usage: http_sender URL CONNECTIONS SECONDS BODY_BYTES\n");
    return 2;
  }
  const auto url = webhooks::parse_http_url(words[1]);
  if (!url) {
    fmt::print(stderr, "{}\n", url.error().detail);
    return 2;
  }
  const std::chrono::seconds seconds(std::stoi(words[3]));
  Run run{.url = *url,
          .request = {.method = "POST",
                      .target = "",
                      .headers = {{"Content-Type", "application/cloudevents+json"},
                                  {"User-Agent", "Tidemark"},
                                  {"webhook-id", std::string(30, 'i')},
                                  {"webhook-timestamp", "1790000000"},
                                  {"webhook-signature", std::string(47, 's')}},
                      .body = std::string(std::stoul(words[4]), 'x')},
          .end = Clock::now() + seconds};
  boost::asio::io_context context(1);
  for (int i = std::stoi(words[2]); i > 0; --i) {
    boost::asio::co_spawn(context, send(run), boost::asio::detached);
  }
  context.run();
  fmt::print("{{\"answers\":{},\"failures\":{},\"rate\":{:.0f}}}\n", run.answers, run.failures,
             static_cast<double>(run.answers) / static_cast<double>(seconds.count()));
  return run.failures == 0 ? 0 : 1;
}
