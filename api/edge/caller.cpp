#include "api/edge/caller.h"

#include <algorithm>

#include "api/edge/errors.h"
#include "api/edge/key_text.h"
#include "projections/organization.h"
#include "projections/reader.h"
#include "schemas/json_writer.h"
#include "schemas/permissions.h"

namespace api::edge {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;

std::unexpected<Error> unauthenticated(std::string detail) {
  return fail(ErrorCode::unauthenticated, std::move(detail));
}

/// The one value of a header; a header given twice is nobody's intention.
Result<std::optional<std::string_view>> single_header(const http::Request& request,
                                                      std::string_view name) {
  auto values = request.header_values(name);
  if (values.size() > 1) return wrong_header(std::string(name), "must be given once");
  return values.empty() ? std::nullopt : std::optional(values.front());
}

Result<std::string_view> bearer(const http::Request& request) {
  auto header = single_header(request, "Authorization");
  if (!header) return std::unexpected(std::move(header).error());
  if (!*header) return unauthenticated("send a key: Authorization: Bearer le_…");
  constexpr std::string_view scheme = "bearer ";
  auto value = **header;
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (value.size() < scheme.size() ||
      !std::ranges::equal(value.substr(0, scheme.size()), scheme, {}, lower)) {
    return unauthenticated("the authorization scheme must be Bearer");
  }
  value.remove_prefix(std::min(value.find_first_not_of(' ', scheme.size()), value.size()));
  return value;
}

std::optional<projections::Organization::Status> status_of(const Services& services,
                                                           OrganizationId organization) {
  auto topic = services.topics.find(eventstore::identity_product);
  return topic ? projections::status_of(services.rows, *topic, organization) : std::nullopt;
}

KeyCache::Moment moment_of(const Services& services, OrganizationId organization) {
  const auto topic = services.topics.find(eventstore::identity_product);
  ENSURE(topic.has_value());
  auto folded = [&](OrganizationId of) {
    return services.progress.applied_end(services.topics.log_of(*topic, of));
  };
  return {folded(organization), folded(schemas::platform_organization)};
}

std::optional<KnownKey> read_key(const Services& services, const schemas::Digest& digest) {
  auto row = services.rows.get(projections::access_key(schemas::text_of(digest)));
  if (!row) return std::nullopt;
  projections::Access access;
  projections::Decoder{*row}(access);
  const OrganizationId organization(access.organization);
  const bool suspended =
      organization != schemas::platform_organization &&
      status_of(services, organization) == projections::Organization::Status::suspended;
  return KnownKey{std::make_shared<const projections::Access>(std::move(access)), suspended};
}

/// The key as the rows have it now, by way of the cache; expired ones are unknown.
std::optional<KnownKey> find_key(const Services& services, const schemas::Digest& digest) {
  auto cached = services.keys->find(digest);
  std::optional<KnownKey> key;
  if (cached &&
      cached->moment == moment_of(services, OrganizationId(cached->key.access->organization))) {
    key = std::move(cached->key);
  } else {
    key = read_key(services, digest);
    if (!key) return std::nullopt;
    // The moment is taken before the rows that are kept, so that they are never older than it says.
    const auto moment = moment_of(services, OrganizationId(key->access->organization));
    key = read_key(services, digest);
    if (!key) return std::nullopt;
    services.keys->put(digest, {*key, moment});
  }
  const auto& expires = key->access->expires;
  if (expires && *expires <= services.clock.wall()) return std::nullopt;
  return key;
}

Result<KnownKey> welcome_key(const Services& services, const schemas::Digest& digest) {
  auto key = find_key(services, digest);
  if (!key) return unauthenticated("this key is unknown, revoked or expired");
  if (key->suspended) {
    return fail(ErrorCode::organization_suspended,
                "the organization of this key is suspended; ask the platform's operator");
  }
  return std::move(*key);
}

Result<void> name_organization(const Services& services, std::string_view text, Caller& caller) {
  auto named = schemas::parse_organization(text);
  if (!caller.platform()) {
    if (named == caller.organization) return {};
    return fail(ErrorCode::forbidden,
                "this key belongs to another organization than the one named "
                "in Tidemark-Organization");
  }
  const bool known = named && (*named == schemas::platform_organization ||
                               status_of(services, *named).has_value());
  if (!known) {
    return fail(ErrorCode::not_found, "the organization named in Tidemark-Organization is unknown");
  }
  caller.organization = *named;
  caller.organization_named = true;
  return {};
}

Result<void> name_space(std::string_view text, Caller& caller) {
  auto named = schemas::parse_space(text);
  if (!named) return wrong_header("Tidemark-Space", "must be live or test");
  if (!caller.platform()) {
    if (*named == caller.space) return {};
    return fail(ErrorCode::forbidden,
                "this key belongs to the other space than the one named in Tidemark-Space");
  }
  if (*named == Space::test && caller.organization == schemas::platform_organization) {
    return wrong_header("Tidemark-Space", "org_platform has the space live only");
  }
  caller.space = *named;
  caller.space_named = true;
  return {};
}

}  // namespace

bool Caller::may(std::string_view permission) const {
  return schemas::permits(access->permissions, permission);
}

bool Caller::sees_project(const schemas::Uuid& project) const {
  if (!restricted()) return true;
  return std::ranges::find(*access->projects, schemas::to_text(schemas::ProjectId(project))) !=
         access->projects->end();
}

Result<Caller> authenticate(const Services& services, const http::Request& request) {
  auto text = bearer(request);
  if (!text) return std::unexpected(std::move(text).error());
  if (!is_key_text(*text)) {
    return unauthenticated("this is no key: its form or its check is wrong (mistyped or cut?)");
  }
  auto digest = schemas::sha256(schemas::bytes_of(*text));
  auto key = welcome_key(services, digest);
  if (!key) return std::unexpected(std::move(key).error());
  const OrganizationId organization(key->access->organization);
  const auto space = key->access->space;
  return Caller{.access = std::move(key->access),
                .digest = digest,
                .organization = organization,
                .space = space};
}

Result<void> act_where_named(const Services& services, const http::Request& request,
                             Caller& caller) {
  auto organization = single_header(request, "Tidemark-Organization");
  if (!organization) return std::unexpected(std::move(organization).error());
  auto space = single_header(request, "Tidemark-Space");
  if (!space) return std::unexpected(std::move(space).error());
  if (*organization) {
    auto named = name_organization(services, **organization, caller);
    if (!named) return named;
  }
  if (*space) return name_space(**space, caller);
  return {};
}

Result<void> require_permission(const Caller& caller, std::string_view permission) {
  if (caller.may(permission)) return {};
  return fail(Error{ErrorCode::forbidden,
                    "this key lacks the permission " + std::string(permission),
                    {},
                    {{"permission", schemas::json::quote(permission)}}});
}

Result<void> still_welcome(const Services& services, const Caller& caller) {
  auto key = welcome_key(services, caller.digest);
  return key ? Result<void>() : std::unexpected(std::move(key).error());
}

}  // namespace api::edge
