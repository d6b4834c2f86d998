#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "schemas/result.h"
#include "webhooks/webhook_url.h"

/// The egress guard: where a webhook may go. Customers choose the URLs, so each is hostile until
/// shown otherwise: what is private to us must not be reached through us.
///
///     parse_webhook_url     what no receiver needs and tricks are made of is refused
///     Egress::check         what can be said of a URL without resolving: when it is configured
///     Egress::check_address what is asked of every address of its name: at each connect
namespace webhooks {

/// To which addresses and ports deliveries may go: those that are globally reachable by the IANA
/// Special-Purpose Address Registries, by TLS, at a few ports; and whatever the operator allows on
/// top (tests, on-premise), at every port and also without TLS. A value; on any thread. It does not
/// resolve names.
class Egress {
 public:
  /// `allow`: blocks such as `10.1.0.0/16` or `fd00::/8`, or single addresses.
  static schemas::Result<Egress> parse(const std::vector<std::string>& allow = {},
                                       std::vector<std::uint16_t> ports = {443, 8443});

  bool allows(const boost::asio::ip::address& address) const;

  schemas::Result<void> check(const WebhookUrl& url) const;

  /// The detail does not say the address: what our resolver knows is not for whoever wrote the URL.
  schemas::Result<void> check_address(const WebhookUrl& url,
                                      const boost::asio::ip::address& address) const;

 private:
  struct Block {
    boost::asio::ip::address first;
    unsigned prefix_bits;
  };
  static schemas::Result<Block> parse_block(std::string_view text);

  bool in_allow_list(const boost::asio::ip::address& address) const;
  schemas::Result<void> check_way(const WebhookUrl& url) const;

  std::vector<Block> allow_;
  std::vector<std::uint16_t> ports_;
};

}  // namespace webhooks
