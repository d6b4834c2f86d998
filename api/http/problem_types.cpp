#include <array>

#include "api/http/problem.h"

namespace api::http {
namespace {

using schemas::ErrorCode;

// In the order of ErrorCode.
constexpr auto types = std::to_array<ProblemType>({
    {ErrorCode::malformed_json, "malformed-json", "Malformed JSON",
     "The body is not one JSON text: a syntax error, a member given twice, arrays and objects more "
     "than 64 deep, or bytes that are not UTF-8. `line` and `column` say where.",
     "Correct the body at that place and send the request again."},
    {ErrorCode::invalid_parameter, "invalid-parameter", "Invalid parameter",
     "A query parameter or a header is unknown, has a wrong form or is given twice, or the request "
     "itself is not well-formed HTTP. `errors` names what is wrong.",
     "Compare the request with /openapi.json and correct the named parameters or headers."},
    {ErrorCode::organization_required, "organization-required", "Organization required",
     "The platform key asks for something that belongs to an organization and names none.",
     "Name the organization in the Tidemark-Organization header."},
    {ErrorCode::foreign_mark, "foreign-mark", "Foreign mark",
     "A mark or cursor was made by another log, for another organization, or was changed on its "
     "way.",
     "Use marks and cursors as they were given, against the service that gave them."},
    {ErrorCode::as_of_in_future, "as-of-in-future", "As-of lies in the future",
     "`as_of` names a time that the log has not reached.",
     "Ask for a time that has passed, or leave as_of out to read the present."},
    {ErrorCode::mark_without_position, "mark-without-position", "Mark without position",
     "The mark is genuine and says nothing about the product that is read.",
     "Use a mark that came from an answer about this product."},
    {ErrorCode::unauthenticated, "unauthenticated", "Not authenticated",
     "The request has no credential, or one that is unknown, expired or revoked.",
     "Send Authorization: Bearer followed by a valid API key."},
    {ErrorCode::forbidden, "forbidden", "Forbidden",
     "The credential is valid and does not carry the permission that `permission` names.",
     "Use a key with that permission, or have one made."},
    {ErrorCode::organization_suspended, "organization-suspended", "Organization suspended",
     "The organization is suspended, so its keys do nothing.",
     "The operator can resume it: POST /v2/organizations/{id}/resume."},
    {ErrorCode::not_found, "not-found", "Not found",
     "There is no such thing here: it never existed, was deleted, belongs to someone else, or the "
     "path or id has a wrong form.",
     "Check path and id, and that the key belongs to the right organization and space."},
    {ErrorCode::method_not_allowed, "method-not-allowed", "Method not allowed",
     "The path exists and does not answer to this method.",
     "Use one of the methods in the Allow header."},
    {ErrorCode::request_timeout, "request-timeout", "Request timeout",
     "The request did not arrive in time: its head took too long, or its body stood still.",
     "Send it again, over a better connection or in smaller parts."},
    {ErrorCode::lost_mark, "lost-mark", "Lost mark",
     "The mark names events behind the end of a log that was restored from an older copy; they are "
     "gone.",
     "Go on from the mark that the answer names, and read again what may have changed."},
    {ErrorCode::history_trimmed, "history-trimmed", "History trimmed",
     "What lies before the earliest kept position was asked for.",
     "Begin at the earliest mark, which the answer names."},
    {ErrorCode::unsupported_media_type, "unsupported-media-type", "Unsupported media type",
     "The body has a Content-Type that this route does not read.",
     "Send application/json, or what /openapi.json lists for the route."},
    {ErrorCode::headers_too_large, "headers-too-large", "Headers too large",
     "Request line and headers together are over the limit of 16 KiB.",
     "Send fewer or shorter headers, or a shorter query."},
    {ErrorCode::slug_taken, "slug-taken", "Slug taken",
     "Another thing of the same kind already has this slug.",
     "Choose another slug, or leave it out to have one made from the name."},
    {ErrorCode::invalid_transition, "invalid-transition", "Invalid transition",
     "The entity's state does not allow this change.",
     "Read the entity and choose a change that its state allows."},
    {ErrorCode::over_quota, "over-quota", "Over quota",
     "The change would exceed the organization's quota.",
     "Free some of it first, or ask the operator for a larger quota."},
    {ErrorCode::last_owner, "last-owner", "Last owner",
     "The project would be left without an owner.", "Make someone else owner first."},
    {ErrorCode::version_conflict, "version-conflict", "Version conflict",
     "An entity is not at the version that the append expected; `conflicts` lists expected and "
     "current ones. Nothing was written.",
     "Read the entities named, decide again, and append with the versions found."},
    {ErrorCode::stale_report, "stale-report", "Stale report",
     "The report speaks of a version of the resource that is no longer the current one.",
     "Read the resource, look at what runs, and report on its present version."},
    {ErrorCode::in_use, "in-use", "In use",
     "What would be removed or redefined is in use: there are events of it.",
     "Keep it, and add a new name beside it."},
    {ErrorCode::precondition_failed, "precondition-failed", "Precondition failed",
     "If-Match names a version that is not the current one; `current_version` is.",
     "Read the entity, apply the change to what it is now, and send its ETag."},
    {ErrorCode::too_large, "too-large", "Too large",
     "The body, or one line of a bulk request, is over the route's limit.",
     "Split it into several requests or shorter lines."},
    {ErrorCode::record_too_large, "record-too-large", "Record too large",
     "The events of this request would make a log record over 4 MiB, an entity whose state is over "
     "1 MiB, or, as every event keeps its entity's whole state, over 64 MiB of history.",
     "Split them over several requests, and a large entity over several."},
    {ErrorCode::invalid_request, "invalid-request", "Invalid request",
     "The body is JSON and not what this route takes. `errors` names every wrong member.",
     "Correct the members that the pointers name."},
    {ErrorCode::idempotency_key_reused, "idempotency-key-reused", "Idempotency key reused",
     "This Idempotency-Key was used with a different request within the last 24 hours.",
     "Use a new key for a new request, and the same request with an old one."},
    {ErrorCode::rate_limited, "rate-limited", "Rate limited",
     "More requests came than the limit allows.",
     "Wait as long as Retry-After says, then go on more slowly."},
    {ErrorCode::read_only, "read-only", "Read-only",
     "The log takes no writes: a sync failed, or corruption was found. Nothing was written, reads "
     "go "
     "on.",
     "The operator finds the reason at /readyz and in the process's log, mends the disk, and "
     "starts "
     "again; `tidemark log verify` checks the log."},
    {ErrorCode::no_owner, "no-owner", "No owner",
     "No process owns the log partition at this moment, or its owner is changing. Nothing was "
     "written.",
     "Try again after Retry-After."},
    {ErrorCode::overloaded, "overloaded", "Overloaded",
     "A queue or the table of connections is full. Nothing was written.",
     "Try again after Retry-After, with fewer requests at once."},
    {ErrorCode::mark_not_reached, "mark-not-reached", "Mark not reached",
     "The read could not reflect the mark within the time it may wait.",
     "Try again, wait longer with Prefer: wait=<seconds>, or read with ?stale=allow."},
    {ErrorCode::projection_frozen, "projection-frozen", "Projection frozen",
     "An event of this organization could not be applied, so its rows stand still; the answer "
     "names "
     "the event. Nothing was written.",
     "The operator corrects the program or accepts the loss, then rebuilds the projection."},
    {ErrorCode::clock_jump, "clock-jump", "Clock jump",
     "The host's clock went backwards, or far ahead of the log. Nothing was written.",
     "The operator corrects the clock; writes go on by themselves."},
    {ErrorCode::outcome_unknown, "outcome-unknown", "Outcome unknown",
     "The connection to the log broke while the record was on its way: it may be written or not.",
     "Send the same request again with the Idempotency-Key that the answer names; it is applied "
     "once."},
    {ErrorCode::internal, "internal", "Internal error",
     "The server made a mistake. Nothing was written.",
     "Report request_id to the operator, who finds the reason under it in the process's log."},
    {ErrorCode::disk_full, "disk-full", "Disk full",
     "The log's disk has no room. Nothing was written, reads go on.",
     "The operator frees or adds space; writes go on by themselves."},
    {ErrorCode::not_owner, "not-owner", "Not the owner",
     "Another process owns the log partition. Processes say so to each other; a client sees it "
     "only "
     "while owners change. Nothing was written.",
     "Try again after Retry-After."},
    {ErrorCode::root_key_missing, "root-key-missing", "Root key missing",
     "The server was started without the root key of its keyring, so sealed fields can be neither "
     "read nor written. Nothing was written; everything else goes on.",
     "The operator puts the root key back or names its place, then starts the server again."},
    {ErrorCode::unique_taken, "unique-taken", "Unique value taken",
     "Another entity of the kind has the values that the product's manifest declares unique. "
     "Nothing was written.",
     "Change the event's data, or first write what makes the other entity give the values up; one "
     "batch may do both, in that order."},
});

consteval bool in_order() {
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (static_cast<std::size_t>(types[i].code) != i) return false;
  }
  return static_cast<std::size_t>(ErrorCode::unique_taken) + 1 == types.size();
}
static_assert(in_order());

}  // namespace

std::span<const ProblemType> problem_types() {
  return types;
}

const ProblemType& problem_type(ErrorCode code) {
  return types[static_cast<std::size_t>(code)];
}

}  // namespace api::http
