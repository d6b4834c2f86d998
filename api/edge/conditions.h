#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/request.h"
#include "schemas/batch.h"
#include "schemas/crypto.h"
#include "schemas/json.h"
#include "schemas/result.h"

/// The headers with which a request says under what conditions it wants its answer.
namespace api::edge {

struct Conditions {
  /// Prefer: wait=<seconds>, how long a read waits for its mark; more than the most is the most.
  std::chrono::seconds wait{2};
  /// If-Match: "<version>". `*` asks for what every change asks for anyway, that the thing is
  /// there.
  std::optional<schemas::Version> if_match;
  /// If-None-Match as sent; see etag_matches.
  std::optional<std::string_view> if_none_match;
  std::optional<std::string_view> idempotency_key;
  /// A well-formed W3C traceparent, else empty: a broken one is to be ignored.
  std::string_view traceparent;
};

/// The views point into the request's head.
schemas::Result<Conditions> read_conditions(const http::Request& request);

/// Weak comparison, as RFC 9110 13.1.2 says, of an If-None-Match value and an entity's ETag.
bool etag_matches(std::string_view if_none_match, schemas::Version version);
std::string etag(schemas::Version version);

/// Whose key it is: what one organization or space uses is free for every other, also where they
/// write into the same one (the platform's).
struct IdempotencyOwner {
  schemas::OrganizationId organization;
  schemas::Space space;
};

/// What an Idempotency-Key leaves in the log: HMACs of the key with its owner and of the canonical
/// request, that is method LF path LF sorted query LF If-Match LF RFC 8785 body.
struct DigestKeys {
  const schemas::HmacKey& of_keys;
  const schemas::HmacKey& of_requests;
};
schemas::IdempotencyProof idempotency_proof(const DigestKeys& keys, const IdempotencyOwner& owner,
                                            std::string_view key, const http::Request& request,
                                            schemas::json::Value body);

/// 1 to 255 visible ASCII characters.
bool is_idempotency_key(std::string_view key);

/// application/json, or with `merge_patch` also application/merge-patch+json; parameters such as
/// charset=utf-8 may follow. A body without a type is taken as JSON.
schemas::Result<void> check_content_type(const http::Request& request, bool merge_patch);

}  // namespace api::edge
