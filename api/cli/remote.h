#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "api/cli/command.h"
#include "schemas/json.h"
#include "webhooks/http_client.h"

/// Talking to a running server.
namespace api::cli {

template <typename T>
using awaitable = boost::asio::awaitable<T>;

/// Which server, and who asks.
struct Remote {
  webhooks::HttpUrl url;
  webhooks::HttpHeaders headers;
};
/// By the settings of `client_settings`; a key must be among them.
Step<Remote> remote_of(const SettingFlags& flags);

inline const webhooks::HttpHeaders json_headers = {{"Content-Type", "application/json"}};

/// A query as it is built: everything but unreserved characters (RFC 3986 2.3) is encoded.
class Query {
 public:
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const std::vector<std::string>& values);
  /// With its question mark; nothing when nothing was added.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// One exchange on a connection of its own. An answer of 400 and above stops with Exit::refused.
Step<webhooks::HttpAnswer> ask(const Remote& remote, webhooks::HttpRequest request);

/// The same on an open connection.
awaitable<Step<webhooks::HttpAnswer>> ask_on(webhooks::HttpConnection& connection,
                                             const Remote& remote, webhooks::HttpRequest request);

std::unexpected<Stop> stop(const webhooks::HttpFailure& failure);

/// A problem (RFC 9457) as people read it: title, detail, wrong fields.
std::string describe_problem(schemas::json::Value problem);
/// The same of a whole answer, whatever it holds.
std::string describe_refusal(const webhooks::HttpAnswer& answer);

/// Runs a coroutine to its end.
template <typename T>
T run_on(boost::asio::io_context& context, awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context, std::move(work), [&](std::exception_ptr error, T value) {
    thrown = error;
    result.emplace(std::move(value));
  });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}
template <typename T>
T run_to_end(awaitable<T> work) {
  boost::asio::io_context context(1);
  return run_on(context, std::move(work));
}

}  // namespace api::cli
