#include "webhooks/webhook_url.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace webhooks {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;
using boost::system::error_code;

constexpr std::size_t url_bytes_max = 2048;
constexpr std::size_t name_bytes_max = 253;
constexpr std::size_t label_bytes_max = 63;

std::unexpected<schemas::Error> wrong(std::string why) {
  return schemas::fail(schemas::ErrorCode::invalid_parameter, std::move(why));
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z');
}
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

/// Whether resolvers may take the host for an IPv4 address: it ends in a number.
bool ends_in_number(std::string_view host) {
  const auto dot = host.rfind('.');
  const auto last = dot == host.npos ? host : host.substr(dot + 1);
  if (std::ranges::all_of(last, is_digit)) return true;
  return last.starts_with("0x") && std::ranges::all_of(last.substr(2), is_hex_digit);
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= label_bytes_max && !label.starts_with('-') &&
         !label.ends_with('-') &&
         std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_name(std::string_view host) {
  if (host.size() > name_bytes_max) return false;
  for (auto dot = host.find('.'); dot != host.npos; dot = host.find('.')) {
    if (!is_label(host.substr(0, dot))) return false;
    host.remove_prefix(dot + 1);
  }
  return is_label(host);
}

std::optional<address_v4> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> bytes{};
  for (auto& byte : bytes) {
    const bool last = &byte == &bytes.back();
    const auto end = last ? text.size() : text.find('.');
    if (end == text.npos || end == 0) return std::nullopt;
    const auto digits = text.substr(0, end);
    if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
    const auto [stop, code] = std::from_chars(digits.begin(), digits.end(), byte);
    if (code != std::errc() || stop != digits.end()) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return address_v4(bytes);
}

/// Without a zone: that names an interface of ours.
std::optional<address_v6> parse_v6(std::string_view text) {
  const auto of_address = [](char c) { return is_hex_digit(c) || c == ':' || c == '.'; };
  if (!std::ranges::all_of(text, of_address)) return std::nullopt;
  error_code code;
  const auto parsed = boost::asio::ip::make_address_v6(text, code);
  return code ? std::nullopt : std::optional(parsed);
}

schemas::Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.begin(), text.end(), port);
  if (code != std::errc() || end != text.end() || text.starts_with('0'))
    return wrong("the URL's port is no number from 1 to 65535");
  return port;
}

schemas::Result<void> check_characters(std::string_view text) {
  if (text.size() > url_bytes_max)
    return wrong(fmt::format("the URL is longer than {} bytes", url_bytes_max));
  const auto refused = [](char c) { return c <= ' ' || c >= 0x7f || c == '\\'; };
  if (std::ranges::any_of(text, refused)) {
    return wrong(
        "the URL has white space, a control character, a backslash or one outside of ASCII: write "
        "its name in Punycode and its path percent-encoded");
  }
  if (text.contains('#')) return wrong("the URL has a fragment (#…), which is never sent: drop it");
  return {};
}

schemas::Result<std::string> parse_bracketed(std::string_view inside) {
  if (inside.contains('%')) return wrong("the URL's IPv6 address has a zone id: drop it");
  auto host = lower(inside);
  if (!parse_v6(host)) return wrong("what stands in the URL's brackets is no IPv6 address");
  return host;
}

schemas::Result<std::string> parse_host(std::string_view text) {
  if (text.empty()) return wrong("the URL names no host");
  if (text.contains(':')) return wrong("the URL's IPv6 address must stand in brackets");
  if (text.ends_with('.')) return wrong("the URL's host ends in a dot: drop it");
  auto host = lower(text);
  if (ends_in_number(host)) {
    if (parse_v4(host)) return host;
    return wrong(
        "the URL's host ends in a number but is no IPv4 address of four decimal numbers (without "
        "leading zeros)");
  }
  if (!is_name(host)) {
    return wrong(
        "the URL's host is no DNS name: labels of letters, digits and hyphens, with dots between");
  }
  return host;
}

}  // namespace

std::string WebhookUrl::authority() const {
  auto named = host.contains(':') ? fmt::format("[{}]", host) : host;
  if (port != (tls ? 443 : 80)) named += fmt::format(":{}", port);
  return named;
}

std::optional<address> parse_address(std::string_view text) {
  if (const auto v4 = parse_v4(text)) return *v4;
  if (const auto v6 = parse_v6(lower(text))) return *v6;
  return std::nullopt;
}

schemas::Result<WebhookUrl> parse_webhook_url(std::string_view text) {
  if (auto checked = check_characters(text); !checked)
    return std::unexpected(std::move(checked).error());
  constexpr std::string_view https = "https://";
  constexpr std::string_view http = "http://";
  const bool tls = text.starts_with(https);
  if (!tls && !text.starts_with(http)) return wrong("the URL must begin with https://");
  auto rest = text.substr(tls ? https.size() : http.size());
  const auto target_at = std::min(rest.find_first_of("/?"), rest.size());
  WebhookUrl url{.tls = tls,
                 .host = {},
                 .port = static_cast<std::uint16_t>(tls ? 443 : 80),
                 .target = std::string(rest.substr(target_at)),
                 .text = std::string(text)};
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  rest = rest.substr(0, target_at);
  if (rest.contains('@')) {
    return wrong(
        "the URL has a user name or password before an @: drop them, deliveries are signed");
  }
  const auto bracket = rest.starts_with('[') ? rest.find(']') : rest.npos;
  if (rest.starts_with('[') && bracket == rest.npos)
    return wrong("the URL's bracket is not closed");
  const auto colon = rest.rfind(':');
  if (colon != rest.npos && (bracket == rest.npos || colon > bracket)) {
    auto port = parse_port(rest.substr(colon + 1));
    if (!port) return std::unexpected(std::move(port).error());
    url.port = *port;
    rest = rest.substr(0, colon);
  }
  if (bracket != rest.npos && bracket + 1 != rest.size())
    return wrong("something stands between the URL's bracket and its port");
  auto host =
      bracket == rest.npos ? parse_host(rest) : parse_bracketed(rest.substr(1, bracket - 1));
  if (!host) return std::unexpected(std::move(host).error());
  url.host = std::move(*host);
  return url;
}

}  // namespace webhooks
