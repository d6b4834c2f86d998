#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/http/request.h"
#include "api/services.h"
#include "projections/states.h"
#include "schemas/crypto.h"
#include "schemas/result.h"

/// Who asks, and what they may do. Reads rows; any thread of the API.
namespace api::edge {

using schemas::OrganizationId;
using schemas::Result;
using schemas::Space;

/// Who asks, and where they act. A value: copies share the rights.
struct Caller {
  std::shared_ptr<const projections::Access> access;  // shared with commands and streams
  schemas::Digest digest;                             // of the key's text
  /// In which organization and space the request acts; a platform key's own until it names another.
  OrganizationId organization;
  Space space;
  /// A platform key named the organization, or the space, by header.
  bool organization_named = false;
  bool space_named = false;

  bool platform() const {
    return access->platform ||
           OrganizationId(access->organization) == schemas::platform_organization;
  }
  bool may(std::string_view permission) const;
  /// Keys that name projects see those and nothing else.
  bool restricted() const { return access->projects.has_value(); }
  bool sees_project(const schemas::Uuid& project) const;
};

/// The key in `Authorization: Bearer`: known, not revoked, not expired, its organization not
/// suspended.
Result<Caller> authenticate(const Services& services, const http::Request& request);

/// Applies `Tidemark-Organization` and `Tidemark-Space`: a platform key acts where they say, for
/// everyone else they may only repeat what the key says.
Result<void> act_where_named(const Services& services, const http::Request& request,
                             Caller& caller);

Result<void> require_permission(const Caller& caller, std::string_view permission);

/// Whether the key that `caller` came with still opens what it did: for what goes on for long.
Result<void> still_welcome(const Services& services, const Caller& caller);

}  // namespace api::edge
