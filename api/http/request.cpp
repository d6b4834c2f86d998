#include "api/http/request.h"

#include <algorithm>

namespace api::http {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view to_text(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::delete_:
      return "DELETE";
    case Method::other:
      return "other";
  }
  ENSURE(false);
  return {};
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [its_name, value] : headers) {
    if (same_name(its_name, name)) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Request::header_values(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [its_name, value] : headers) {
    if (same_name(its_name, name)) values.push_back(value);
  }
  return values;
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  for (const auto& [its_name, value] : query) {
    if (its_name == name) return value;
  }
  return std::nullopt;
}

std::string_view Request::captured(std::string_view name) const {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const auto part = pattern[i];
    if (part.starts_with('{') && part.substr(1, part.size() - 2) == name) return segments[i];
  }
  ENSURE(false);  // a handler asks for what its route does not capture
  return {};
}

}  // namespace api::http
