#include "api/http/target.h"

#include <utility>

#include <fmt/format.h>

#include "schemas/json.h"

namespace api::http {
namespace {

enum class Plus { plus, space };

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Empty when a percent sign is not followed by two hex digits, or the result is not UTF-8.
std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  if (!schemas::json::valid_utf8(out)) return std::nullopt;
  return out;
}

std::pair<std::string_view, std::string_view> split(std::string_view text, char at) {
  const auto place = text.find(at);
  if (place == std::string_view::npos) return {text, {}};
  return {text.substr(0, place), text.substr(place + 1)};
}

schemas::Error invalid(std::string detail) {
  return {schemas::ErrorCode::invalid_parameter, std::move(detail), {}, {}};
}

schemas::Error invalid_segment(std::size_t number) {
  return invalid(fmt::format(
      "the path's segment {} is not UTF-8, or has a % that two hexadecimal digits do not follow",
      number));
}

schemas::Error invalid_query(std::string name) {
  auto error = invalid("the query is not percent-encoded UTF-8");
  error.fields.push_back({schemas::FieldError::In::parameter, std::move(name),
                          "must be UTF-8, with %XX where it is encoded"});
  return error;
}

/// `http://host/path` becomes `/path`.
std::string_view without_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !same_name(target.substr(0, scheme.size()), scheme)) {
      continue;
    }
    const auto slash = target.find_first_of("/?", scheme.size());
    return slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return target;
}

}  // namespace

std::optional<schemas::Error> decode_target(Request& request) {
  const auto local = without_authority(request.target);
  if (!local.starts_with('/')) return invalid("the request target must be a path: /…");
  std::tie(request.path, request.raw_query) = split(local, '?');

  for (auto rest = request.path; !rest.empty();) {
    const auto end = std::min(rest.find('/', 1), rest.size());
    auto segment = decode(rest.substr(1, end - 1), Plus::plus);
    if (!segment) return invalid_segment(request.segments.size() + 1);
    request.segments.push_back(*std::move(segment));
    rest.remove_prefix(end);
  }
  for (auto rest = request.raw_query; !rest.empty();) {
    const auto [pair, behind] = split(rest, '&');
    rest = behind;
    if (pair.empty()) continue;
    const auto [raw_name, raw_value] = split(pair, '=');
    auto name = decode(raw_name, Plus::space);
    if (!name) return invalid_query("");
    auto value = decode(raw_value, Plus::space);
    if (!value) return invalid_query(*std::move(name));
    request.query.push_back({*std::move(name), *std::move(value)});
  }
  return std::nullopt;
}

}  // namespace api::http
