#include "api/edge/conditions.h"

#include <algorithm>
#include <charconv>
#include <ranges>
#include <vector>

#include "api/edge/errors.h"

namespace api::edge {
namespace {

using schemas::Result;

constexpr std::chrono::seconds wait_max{30};

std::string_view trimmed(std::string_view text) {
  auto first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// RFC 7240: preferences that we do not know are passed over.
Result<std::chrono::seconds> read_wait(const http::Request& request, std::chrono::seconds usual) {
  constexpr std::string_view name = "wait=";
  for (auto header : request.header_values("Prefer")) {
    for (auto part : header | std::views::split(',')) {
      auto preference = trimmed(std::string_view(part.begin(), part.end()));
      if (!preference.starts_with(name)) continue;
      auto seconds = whole_number(preference.substr(name.size()));
      if (!seconds) return wrong_header("Prefer", "wait must be a number of seconds");
      return std::min(std::chrono::seconds(std::min<std::uint64_t>(*seconds, 1000)), wait_max);
    }
  }
  return usual;
}

Result<std::optional<schemas::Version>> read_if_match(const http::Request& request) {
  auto values = request.header_values("If-Match");
  if (values.empty()) return std::nullopt;
  auto value = trimmed(values.front());
  if (values.size() == 1 && value == "*") return std::nullopt;
  const bool quoted =
      values.size() == 1 && value.size() > 2 && value.starts_with('"') && value.ends_with('"');
  auto version = quoted ? whole_number(value.substr(1, value.size() - 2)) : std::nullopt;
  if (!version) return wrong_header("If-Match", "must be one ETag as it was given, such as \"3\"");
  return schemas::Version{*version};
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// W3C Trace Context 3.2: version 00 exactly, later ones may go on behind it.
bool is_traceparent(std::string_view text) {
  constexpr std::size_t size = 55;
  if (text.size() < size || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  auto version = text.substr(0, 2);
  auto trace = text.substr(3, 32);
  auto parent = text.substr(36, 16);
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(text.substr(53, 2))) {
    return false;
  }
  if (version == "ff" || (version == "00" && text.size() != size)) return false;
  if (text.size() > size && (text[size] != '-' || text.size() > 128)) return false;
  return trace.find_first_not_of('0') != std::string_view::npos &&
         parent.find_first_not_of('0') != std::string_view::npos;
}

schemas::ShortDigest short_hmac(const schemas::HmacKey& hmac, std::string_view text) {
  auto digest = hmac.sign(schemas::bytes_of(text));
  schemas::ShortDigest first;
  std::ranges::copy_n(digest.begin(), first.size(), first.begin());
  return first;
}

/// Bodies are taken as they are.
Result<void> check_content_encoding(const http::Request& request) {
  for (auto value : request.header_values("Content-Encoding")) {
    if (http::same_name(trimmed(value), "identity")) continue;
    return schemas::fail(
        schemas::Error{schemas::ErrorCode::unsupported_media_type,
                       "a body is taken as it is, without a Content-Encoding",
                       {{schemas::FieldError::In::header, "Content-Encoding", "must be identity"}},
                       {}});
  }
  return {};
}

}  // namespace

Result<Conditions> read_conditions(const http::Request& request) {
  auto encoding = check_content_encoding(request);
  if (!encoding) return std::unexpected(std::move(encoding).error());
  Conditions conditions;
  auto wait = read_wait(request, conditions.wait);
  if (!wait) return std::unexpected(std::move(wait).error());
  conditions.wait = *wait;
  auto if_match = read_if_match(request);
  if (!if_match) return std::unexpected(std::move(if_match).error());
  conditions.if_match = *if_match;
  conditions.if_none_match = request.header("If-None-Match");
  auto keys = request.header_values("Idempotency-Key");
  if (!keys.empty()) {
    if (keys.size() > 1 || !is_idempotency_key(keys.front())) {
      return wrong_header("Idempotency-Key", "must be 1 to 255 visible ASCII characters, once");
    }
    conditions.idempotency_key = keys.front();
  }
  auto trace = request.header("traceparent").value_or("");
  if (is_traceparent(trace)) conditions.traceparent = trace;
  return conditions;
}

std::string etag(schemas::Version version) {
  return '"' + std::to_string(to_number(version)) + '"';
}

bool etag_matches(std::string_view if_none_match, schemas::Version version) {
  const auto current = etag(version);
  return std::ranges::any_of(if_none_match | std::views::split(','), [&](auto part) {
    auto tag = trimmed(std::string_view(part.begin(), part.end()));
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    return tag == "*" || tag == current;
  });
}

schemas::IdempotencyProof idempotency_proof(const DigestKeys& keys, const IdempotencyOwner& owner,
                                            std::string_view key, const http::Request& request,
                                            schemas::json::Value body) {
  std::vector<std::string_view> query;
  for (auto part : request.raw_query | std::views::split('&')) {
    query.emplace_back(part.begin(), part.end());
  }
  std::ranges::sort(query);
  std::string canonical(to_text(request.method));
  canonical.append("\n").append(request.path).append("\n");
  for (auto part : query) canonical.append(part).append("&");
  canonical.append("\n").append(request.header("If-Match").value_or("")).append("\n");
  canonical += schemas::json::canonical(body);
  auto owned = to_text(owner.organization) + "\n" + std::string(to_text(owner.space)) + "\n";
  owned += key;
  return {short_hmac(keys.of_keys, owned), short_hmac(keys.of_requests, canonical)};
}

bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 &&
         std::ranges::all_of(key, [](char c) { return c >= '!' && c <= '~'; });
}

Result<void> check_content_type(const http::Request& request, bool merge_patch) {
  auto header = request.header("Content-Type");
  if (!header) return {};
  auto type = trimmed(header->substr(0, header->find(';')));
  if (http::same_name(type, "application/json")) return {};
  if (merge_patch && http::same_name(type, "application/merge-patch+json")) return {};
  return schemas::fail(schemas::ErrorCode::unsupported_media_type,
                       merge_patch ? "send application/json or application/merge-patch+json"
                                   : "send application/json");
}

}  // namespace api::edge
