#include "projections/evolve.h"

namespace projections {
namespace {

Credential credential_of(const schemas::Credential& credential) {
  return {.digest = std::string(credential.digest),
          .hint = std::string(credential.hint),
          .expires = {}};
}

Key key_of(const schemas::KeyCreated& created) {
  Key key{.name = std::string(created.name),
          .permissions = {created.permissions.begin(), created.permissions.end()},
          .projects = {},
          .expires = created.expires,
          .platform = created.platform,
          .credentials = {credential_of(created.credential)}};
  if (created.projects) key.projects.emplace(created.projects->begin(), created.projects->end());
  return key;
}

/// The newest secret replaces those before it; the last of them works on until `old_expires`.
void rotate(Key& key, const schemas::KeyRotated& rotated, Time now) {
  std::erase_if(key.credentials,
                [&](const Credential& c) { return c.expires && *c.expires <= now; });
  for (auto& credential : key.credentials) {
    if (!credential.expires || *credential.expires > rotated.old_expires) {
      credential.expires = rotated.old_expires;
    }
  }
  key.credentials.push_back(credential_of(rotated.credential));
}

}  // namespace

std::string_view to_text(Key::Status status) {
  switch (status) {
    case Key::Status::active:
      return "active";
    case Key::Status::revoked:
      return "revoked";
  }
  return "";
}

Result<std::optional<Key>> evolve(std::optional<Key> state, const EventData& data,
                                  const Moment& moment) {
  if (const auto* created = std::get_if<schemas::KeyCreated>(&data); created && !state) {
    return key_of(*created);
  }
  if (!state) return cannot_apply(data);
  if (const auto* rotated = std::get_if<schemas::KeyRotated>(&data)) {
    rotate(*state, *rotated, moment.recorded);
    return state;
  }
  if (std::holds_alternative<schemas::KeyRevoked>(data)) {
    state->status = Key::Status::revoked;
    state->credentials.clear();
    return state;
  }
  return cannot_apply(data);
}

}  // namespace projections
