#include "api/http/router.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace api::http {

std::vector<std::string_view> split_pattern(std::string_view pattern) {
  ENSURE(pattern.starts_with('/'));
  std::vector<std::string_view> segments;
  while (!pattern.empty()) {
    const auto end = std::min(pattern.find('/', 1), pattern.size());
    segments.push_back(pattern.substr(1, end - 1));
    pattern.remove_prefix(end);
  }
  return segments;
}

// One place in the tree of all patterns: what may follow it, and what ends here.
struct Router::Node {
  std::unordered_map<std::string_view, Node> literals;
  std::unique_ptr<Node> capture;
  std::vector<std::pair<Method, RouteIndex>> routes;
};

Router::Router(std::vector<Route> routes)
    : routes_(std::move(routes)), root_(std::make_unique<Node>()) {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    Node* node = root_.get();
    for (const auto segment : patterns_.emplace_back(split_pattern(routes_[i].pattern))) {
      if (segment.starts_with('{')) {
        ENSURE(segment.ends_with('}'));
        if (!node->capture) node->capture = std::make_unique<Node>();
        node = node->capture.get();
      } else {
        node = &node->literals[segment];
      }
    }
    const auto same_method = [&](const auto& other) { return other.first == routes_[i].method; };
    ENSURE(std::ranges::none_of(node->routes, same_method));  // the table names a route twice
    node->routes.emplace_back(routes_[i].method, RouteIndex{static_cast<std::uint16_t>(i)});
  }
}

Router::~Router() = default;

Router::Match Router::match(Method method, std::span<const std::string> segments) const {
  const Node* node = find(*root_, segments);
  if (node == nullptr) return NotFound{};
  const auto wanted = method == Method::head ? Method::get : method;
  WrongMethod wrong;
  for (const auto& [its_method, index] : node->routes) {
    if (its_method == wanted) return index;
    if (!wrong.allow.empty()) wrong.allow += ", ";
    wrong.allow += its_method == Method::get ? "GET, HEAD" : to_text(its_method);
  }
  return wrong;
}

const Route& Router::route(RouteIndex index) const {
  return routes_[static_cast<std::size_t>(index)];
}

std::span<const std::string_view> Router::pattern(RouteIndex index) const {
  return patterns_[static_cast<std::size_t>(index)];
}

// As deep as the longest pattern, whatever the path: it ends where the tree ends.
const Router::Node* Router::find(const Node& node, std::span<const std::string> segments) const {
  if (segments.empty()) return node.routes.empty() ? nullptr : &node;
  const auto& first = segments.front();
  if (const auto next = node.literals.find(first); next != node.literals.end()) {
    if (const Node* found = find(next->second, segments.subspan(1))) return found;
  }
  if (node.capture == nullptr || first.empty()) return nullptr;
  return find(*node.capture, segments.subspan(1));
}

}  // namespace api::http
