#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "webhooks/http_client.h"

namespace webhooks {

/// Runs a coroutine; whatever it leaves behind ends with it.
template <typename T>
T run_to_end(awaitable<T> coroutine) {
  boost::asio::io_context context{1};
  std::optional<T> result;
  boost::asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr thrown, T its) {
    if (!thrown) result = std::move(its);
    context.stop();
  });
  context.run();
  return std::move(result).value();
}

using Addresses = HttpResult<std::vector<boost::asio::ip::address>>;

inline std::vector<boost::asio::ip::address> addresses(const std::vector<std::string>& texts) {
  std::vector<boost::asio::ip::address> made;
  for (const auto& text : texts) made.push_back(boost::asio::ip::make_address(text));
  return made;
}

inline awaitable<Addresses> answer_with(Addresses addresses) {
  co_return addresses;
}

/// A resolver that knows these names and no other.
inline Resolve resolver_of(std::map<std::string, std::vector<std::string>> names) {
  return [names = std::move(names)](const std::string& host) {
    const auto found = names.find(host);
    if (found != names.end()) return answer_with(addresses(found->second));
    return answer_with(
        std::unexpected(HttpFailure{HttpFailure::Kind::unreachable, host + " is unknown"}));
  };
}

inline HttpGuard guard_of(const std::vector<std::string>& allow, Resolve resolve,
                          std::vector<std::uint16_t> ports = {443}) {
  static const auto trust = TlsTrust::load().value();
  return {.egress = Egress::parse(allow, std::move(ports)).value(),
          .trust = trust,
          .resolve = std::move(resolve)};
}

inline WebhookUrl url_of(const std::string& text) {
  return parse_webhook_url(text).value();
}

}  // namespace webhooks
