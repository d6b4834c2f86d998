#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "api/http/coroutine.h"
#include "schemas/ids.h"
#include "schemas/result.h"

namespace api::http {

/// Place of a route in the table that the router was made of.
enum class RouteIndex : std::uint16_t {};

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, other };
std::string_view to_text(Method method);

struct Header {
  std::string_view name;
  std::string_view value;
};

struct Parameter {
  std::string name;
  std::string value;
};

/// Names compare without case, as RFC 9110 5.1 says.
bool same_name(std::string_view a, std::string_view b);

/// One request as the session read it: well-formed HTTP, target decoded, body whole. It is a value
/// that owns all it shows (views point into `head`, which never moves), so a handler may keep it
/// over any wait. It says nothing about who asks or what the body means.
struct Request {
  Method method = Method::other;      ///< HEAD arrives as `get`; the session leaves the body out
  std::string_view target;            ///< as sent: path and query, not decoded
  std::string_view path;              ///< as sent, not decoded
  std::string_view raw_query;         ///< as sent, without the question mark
  std::vector<std::string> segments;  ///< of the path, split, then percent-decoded; valid UTF-8
  std::vector<Parameter> query;       ///< decoded, in order, with repeats; valid UTF-8
  std::vector<Header> headers;        ///< in order, with repeats
  std::string body;
  /// The body was not read: the answer's stream reads it, line by line (Stream::read_line).
  bool lines = false;
  std::string id;  ///< X-Request-Id, taken or made
  schemas::Time received{};
  asio::ip::address remote;
  RouteIndex route{};  ///< the one that matched; the session sets it together with its pattern
  std::span<const std::string_view> pattern;  ///< of the route that matched; `{name}` captures
  std::unique_ptr<char[]> head;               ///< what the views above point into

  /// The first header of that name.
  std::optional<std::string_view> header(std::string_view name) const;
  /// Every header of that name, in order.
  std::vector<std::string_view> header_values(std::string_view name) const;
  /// The first query parameter of that name.
  std::optional<std::string_view> parameter(std::string_view name) const;
  /// The path segment that the route calls `{name}`; the route must have it.
  std::string_view captured(std::string_view name) const;
};

/// A whole request from its bytes on the wire, for tests and fuzzing.
schemas::Result<Request> parse_request(std::string_view wire);

}  // namespace api::http
