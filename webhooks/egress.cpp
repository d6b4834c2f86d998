#include "webhooks/egress.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace webhooks {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

std::unexpected<schemas::Error> wrong(std::string why) {
  return schemas::fail(schemas::ErrorCode::invalid_parameter, std::move(why));
}

/// An IPv4 address that stands in the last bytes of an IPv6 one.
address_v4 embedded(const address_v6& v6) {
  const auto bytes = v6.to_bytes();
  return address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
}

/// Of `::ffff:a.b.c.d` the address that is meant: the kernel connects to that.
address unmapped(const address& its) {
  return its.is_v6() && its.to_v6().is_v4_mapped() ? address(embedded(its.to_v6())) : its;
}

bool shares_prefix(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other,
                   unsigned bits) {
  const auto whole = bits / 8;
  if (!std::ranges::equal(one.first(whole), other.first(whole))) return false;
  const auto shift = 8 - bits % 8;
  return bits % 8 == 0 || one[whole] >> shift == other[whole] >> shift;
}

struct Special4 {
  std::array<std::uint8_t, 4> first;
  unsigned prefix_bits;
  std::string_view what;
};
struct Special6 {
  std::array<std::uint16_t, 8> first;
  unsigned prefix_bits;
  std::string_view what;
};

// IANA's registries of special-purpose addresses; where they name exceptions inside of a block that
// could be reached, those are for protocols of the network and no receiver's.
constexpr std::array special_v4{
    Special4{{0, 0, 0, 0}, 8, "this network"},
    Special4{{10, 0, 0, 0}, 8, "private use"},
    Special4{{100, 64, 0, 0}, 10, "shared address space"},
    Special4{{127, 0, 0, 0}, 8, "loopback"},
    Special4{{169, 254, 0, 0}, 16, "link-local"},
    Special4{{172, 16, 0, 0}, 12, "private use"},
    Special4{{192, 0, 0, 0}, 24, "protocol assignments"},
    Special4{{192, 0, 2, 0}, 24, "documentation"},
    Special4{{192, 88, 99, 0}, 24, "6to4 relays"},
    Special4{{192, 168, 0, 0}, 16, "private use"},
    Special4{{198, 18, 0, 0}, 15, "benchmarking"},
    Special4{{198, 51, 100, 0}, 24, "documentation"},
    Special4{{203, 0, 113, 0}, 24, "documentation"},
    Special4{{224, 0, 0, 0}, 4, "multicast"},
    Special4{{240, 0, 0, 0}, 4, "reserved"},
    // Not of the registry: inside of Azure it answers every machine, as 169.254.169.254 does.
    Special4{{168, 63, 129, 16}, 32, "a cloud's metadata"},
};
constexpr std::array special_v6{
    // Not of 2000::/3, which are refused anyway: named so that the answer says why.
    Special6{{}, 128, "unspecified"},
    Special6{{0, 0, 0, 0, 0, 0, 0, 1}, 128, "loopback"},
    Special6{{}, 96, "IPv4-compatible"},
    Special6{{0x64, 0xff9b, 1}, 48, "local translation"},
    Special6{{0x100}, 64, "discard only"},
    Special6{{0x5f00}, 16, "segment routing"},
    Special6{{0xfc00}, 7, "unique local"},
    Special6{{0xfe80}, 10, "link-local"},
    Special6{{0xfec0}, 10, "site-local"},
    Special6{{0xff00}, 8, "multicast"},
    Special6{{0x2001, 0}, 23, "protocol assignments"},
    Special6{{0x2001, 0xdb8}, 32, "documentation"},
    Special6{{0x2002}, 16, "6to4"},
    Special6{{0x3fff}, 20, "documentation"},
};
constexpr std::array<std::uint8_t, 16> global_v6{0x20};
constexpr unsigned global_v6_bits = 3;
constexpr std::array<std::uint8_t, 16> nat64{0, 0x64, 0xff, 0x9b};
constexpr unsigned nat64_bits = 96;

/// Why no receiver can be there; nothing when it is globally reachable.
std::string_view why_special(const address_v4& its) {
  const auto bytes = its.to_bytes();
  for (const auto& [first, prefix_bits, what] : special_v4) {
    if (shares_prefix(bytes, first, prefix_bits)) return what;
  }
  return {};
}

std::string_view why_special(const address& any) {
  const auto its = unmapped(any);
  if (its.is_v4()) return why_special(its.to_v4());
  const auto bytes = its.to_v6().to_bytes();
  if (shares_prefix(bytes, nat64, nat64_bits)) return why_special(embedded(its.to_v6()));
  for (const auto& [words, prefix_bits, what] : special_v6) {
    address_v6::bytes_type first;
    for (std::size_t index = 0; index < words.size(); ++index) {
      first[index * 2] = static_cast<std::uint8_t>(words[index] >> 8);
      first[index * 2 + 1] = static_cast<std::uint8_t>(words[index]);
    }
    if (shares_prefix(bytes, first, prefix_bits)) return what;
  }
  return shares_prefix(bytes, global_v6, global_v6_bits) ? "" : "not assigned";
}

bool contains(const address& first, unsigned prefix_bits, const address& its) {
  if (first.is_v4() != its.is_v4()) return false;
  return first.is_v4()
             ? shares_prefix(first.to_v4().to_bytes(), its.to_v4().to_bytes(), prefix_bits)
             : shares_prefix(first.to_v6().to_bytes(), its.to_v6().to_bytes(), prefix_bits);
}

bool has_bits_behind(const address& first, unsigned prefix_bits) {
  const auto has = [&](auto bytes) {
    if (prefix_bits / 8 == bytes.size()) return false;
    const auto rest = std::span(bytes).subspan(prefix_bits / 8);
    const auto in_first = static_cast<std::uint8_t>(rest.front() << prefix_bits % 8);
    return in_first != 0 || std::ranges::any_of(rest.subspan(1), [](auto b) { return b != 0; });
  };
  return first.is_v4() ? has(first.to_v4().to_bytes()) : has(first.to_v6().to_bytes());
}

}  // namespace

schemas::Result<Egress::Block> Egress::parse_block(std::string_view text) {
  const auto slash = text.find('/');
  const auto first = parse_address(text.substr(0, slash));
  if (!first) {
    return wrong(fmt::format(
        "{} is no address and no block of them such as 10.1.0.0/16 or fd00::/8 (--egress-allow)",
        text));
  }
  if (unmapped(*first) != *first) {
    return wrong(fmt::format("{} is meant as an IPv4 address: write {} (--egress-allow)", text,
                             unmapped(*first).to_string()));
  }
  const unsigned bits_max = first->is_v4() ? 32 : 128;
  unsigned bits = bits_max;
  if (slash != text.npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, code] = std::from_chars(digits.begin(), digits.end(), bits);
    if (code != std::errc() || end != digits.end() || bits > bits_max) {
      return wrong(
          fmt::format("behind the slash of {} must stand a number from 0 to {} "
                      "(--egress-allow)",
                      text, bits_max));
    }
  }
  if (has_bits_behind(*first, bits)) {
    return wrong(
        fmt::format("{} names an address inside of the block: write the block's first "
                    "one, or the address alone (--egress-allow)",
                    text));
  }
  return Block{*first, bits};
}

schemas::Result<Egress> Egress::parse(const std::vector<std::string>& allow,
                                      std::vector<std::uint16_t> ports) {
  if (ports.empty() || std::ranges::count(ports, 0) != 0)
    return wrong("deliveries need at least one port, each from 1 to 65535 (--egress-ports)");
  Egress egress;
  for (const auto& text : allow) {
    auto block = parse_block(text);
    if (!block) return std::unexpected(std::move(block).error());
    egress.allow_.push_back(std::move(*block));
  }
  egress.ports_ = std::move(ports);
  return egress;
}

bool Egress::in_allow_list(const address& its) const {
  const auto meant = unmapped(its);
  return std::ranges::any_of(
      allow_, [&](const Block& block) { return contains(block.first, block.prefix_bits, meant); });
}

bool Egress::allows(const address& its) const {
  return in_allow_list(its) || why_special(its).empty();
}

/// What is asked of a way to an address that anybody can reach.
schemas::Result<void> Egress::check_way(const WebhookUrl& url) const {
  if (!url.tls) {
    return wrong(
        "without TLS deliveries go only to addresses that the operator allows (--egress-allow): "
        "use https://");
  }
  if (std::ranges::count(ports_, url.port) == 0) {
    return wrong(fmt::format(
        "deliveries go to port {}, not {}; the operator can allow more (--egress-ports)",
        fmt::join(ports_, " or "), url.port));
  }
  return {};
}

schemas::Result<void> Egress::check(const WebhookUrl& url) const {
  if (const auto literal = parse_address(url.host)) return check_address(url, *literal);
  if (!allow_.empty()) return {};  // the name may lead there: to be judged when it is resolved
  return check_way(url);
}

schemas::Result<void> Egress::check_address(const WebhookUrl& url, const address& its) const {
  if (in_allow_list(its)) return {};
  if (const auto why = why_special(its); !why.empty()) {
    return wrong(
        fmt::format("the URL's host leads to an address that is not public ({}); the operator can "
                    "allow it (--egress-allow)",
                    why));
  }
  return check_way(url);
}

}  // namespace webhooks
