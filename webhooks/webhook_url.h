#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/address.hpp>

#include "schemas/result.h"

namespace webhooks {

/// A receiver's URL, taken apart.
struct WebhookUrl {
  bool tls;
  std::string host;  // a name in lower case or an address, without brackets
  std::uint16_t port;
  std::string target;  // path and query as written
  std::string text;    // the whole as written

  /// As in `Host`: an IPv6 address in brackets, no port where the scheme says it.
  std::string authority() const;
};

/// `https://HOST[:PORT][/PATH][?QUERY]`, or `http://`. The host is a DNS name, an IPv4 address as
/// four decimal numbers or an IPv6 address in brackets: whatever else some resolver would take for
/// an address (decimal, octal, hexadecimal, short) is none. An error's detail does not repeat the
/// URL, which may hold secrets.
schemas::Result<WebhookUrl> parse_webhook_url(std::string_view text);

/// Four decimal numbers, or an IPv6 address without brackets and zone; nothing else.
std::optional<boost::asio::ip::address> parse_address(std::string_view text);

}  // namespace webhooks
