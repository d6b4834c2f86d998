#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/edge/caller.h"
#include "api/edge/conditions.h"
#include "api/edge/errors.h"
#include "api/http/request.h"
#include "api/resources/operation.h"
#include "api/services.h"
#include "schemas/crypto.h"
#include "schemas/json.h"
#include "schemas/marks.h"

namespace api::resources {

using schemas::OrganizationId;
using schemas::Space;
using schemas::TopicId;

/// Rows and events of one product of one (organization, space).
struct Place {
  OrganizationId organization;
  Space space;
  TopicId topic;
};

/// For whom a mark is made; only they can use it.
struct MarkOwner {
  OrganizationId organization;
  Space space;
};

/// Of what the program asks itself, on behalf of an event.
struct Cause {
  schemas::EventId event;
  std::uint8_t hops = 0;  // of what is written
  std::optional<schemas::Uuid> replay;
  schemas::IdempotencyProof idempotency;
};

/// One request on its way through its handler: what was asked, by whom, under what conditions; and
/// what the answer will say that it reflects. Lives as long as the handler runs, on one thread.
struct Ask {
  const Services& services;
  const Operation& operation;
  http::Request request;
  std::optional<edge::Caller> who = std::nullopt;  // nobody on open routes
  std::optional<Cause> cause = std::nullopt;       // nobody sent it
  edge::Conditions conditions = {};
  std::optional<schemas::json::Document> document = std::nullopt;
  /// What the marks that came with the request say.
  std::vector<schemas::MarkedPosition> at_least = {};

  /// Of a body with a field that is sealed: keys its digest in the log, instead of what keys
  /// others.
  std::optional<schemas::HmacKey> digest_key = std::nullopt;

  /// What the answer reflects; the answer's mark is made of it.
  std::vector<schemas::MarkedPosition> reflects = {};
  std::optional<MarkOwner> reflects_for = std::nullopt;  // usually the caller

  const edge::Caller& caller() const { return *who; }
  schemas::json::Value body() const { return document->root(); }
  MarkOwner mark_owner() const { return reflects_for.value_or(here()); }

  /// Where the caller's own things are.
  MarkOwner here() const { return {caller().organization, caller().space}; }
  // Places that handlers speak of. Built-in topics are there from the log's birth.
  Place platform() const;
  Place identity() const;
  Place projects() const;
  Place resources() const;
  Place resource_kinds() const;  // the platform's
  Place webhooks() const;
  Place deliveries() const;
};

/// In a mark: topics that it does not name have passed nothing. Alone: the beginning of everything.
/// A position of `tm.log`, which is no product's.
schemas::MarkedPosition names_all_topics();
bool is_names_all(const schemas::MarkedPosition& position);

/// Decodes a mark that the caller sent: its own organization's and space's, for a platform key also
/// the other space's and the platform's.
Result<std::vector<schemas::MarkedPosition>> decode_mark(const Services& services,
                                                         const edge::Caller& caller,
                                                         std::string_view text);

}  // namespace api::resources
