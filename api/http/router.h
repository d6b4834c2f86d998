#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/http/request.h"

namespace api::http {

inline constexpr std::size_t body_bytes_default = std::size_t{1} << 20;

/// What the server must know of a route before it reads a body. `pattern` is like
/// `/v2/projects/{id}/events`; `{name}` captures one segment that is not empty.
struct Route {
  Method method;
  std::string_view pattern;  ///< outlives the router
  std::size_t body_bytes_max = body_bytes_default;
  /// When set, a body of Content-Type application/x-ndjson is not read but left to the answer's
  /// stream; it may be of any length, a line has at most so many bytes.
  std::optional<std::size_t> line_bytes_max = std::nullopt;
};

/// `/v2/projects/{id}` as `v2`, `projects`, `{id}`: what Request::pattern and segments stand for.
std::vector<std::string_view> split_pattern(std::string_view pattern);

/// Finds the route of a request. A literal segment goes before a capture, whatever the method; so
/// one path belongs to one place in the table, and the methods found there are the path's methods.
/// Immutable after construction: all threads share one.
class Router {
 public:
  struct NotFound {};
  struct WrongMethod {
    std::string allow;  ///< the value of the Allow header
  };
  using Match = std::variant<RouteIndex, NotFound, WrongMethod>;

  explicit Router(std::vector<Route> routes);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// `head` is answered by `get`.
  Match match(Method method, std::span<const std::string> segments) const;
  const Route& route(RouteIndex index) const;
  /// The pattern's segments, for Request::captured.
  std::span<const std::string_view> pattern(RouteIndex index) const;

 private:
  struct Node;
  const Node* find(const Node& node, std::span<const std::string> segments) const;

  std::vector<Route> routes_;
  std::vector<std::vector<std::string_view>> patterns_;
  std::unique_ptr<Node> root_;
};

}  // namespace api::http
