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

/// The newest secret and the one before it are all that a key has: a rotation during an overlap
/// ends the older one at once, so that no number of rotations makes a key grow.
void rotate(Key& key, const schemas::KeyRotated& rotated) {
  std::vector<Credential> kept;
  if (!key.credentials.empty()) {
    kept.push_back(std::move(key.credentials.back()));
    kept.back().expires = rotated.old_expires;
  }
  kept.push_back(credential_of(rotated.credential));
  key.credentials = std::move(kept);
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

Result<std::optional<Key>> evolve(std::optional<Key> state, const EventData& data, const Moment&) {
  if (const auto* created = std::get_if<schemas::KeyCreated>(&data); created && !state) {
    return key_of(*created);
  }
  if (!state) return cannot_apply(data);
  if (const auto* rotated = std::get_if<schemas::KeyRotated>(&data)) {
    rotate(*state, *rotated);
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
