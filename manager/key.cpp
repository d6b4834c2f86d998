#include <algorithm>

#include "manager/decide.h"
#include "schemas/permissions.h"

namespace manager {

using projections::Key;

namespace {

/// A key grants at most what its maker has: permissions, projects, expiry.
Result<void> check_grant(const projections::Access& maker, const CreateKey& command) {
  for (std::size_t i = 0; i < command.permissions.size(); ++i) {
    if (schemas::covers(maker.permissions, command.permissions[i])) continue;
    return schemas::invalid_field("/permissions/" + std::to_string(i),
                                  "goes beyond the permissions of the key that makes it");
  }
  if (maker.projects) {
    bool within = command.projects && std::ranges::all_of(*command.projects, [&](const auto& p) {
                    return std::ranges::find(*maker.projects, p) != maker.projects->end();
                  });
    if (!within) {
      return schemas::invalid_field("/projects",
                                    "goes beyond the projects of the key that makes it");
    }
  }
  if (maker.expires && (!command.expires || *command.expires > *maker.expires)) {
    return schemas::invalid_field("/expires_at", "is later than that of the key that makes it");
  }
  return {};
}

Result<projections::Row<Key>> living_key(const Context& context, const Uuid& id) {
  auto row = required<Key>(context, id);
  if (row && row->state.status == Key::Status::revoked) {
    return fail(ErrorCode::invalid_transition, "the key is revoked");
  }
  return row;
}

/// Opens everything for ever: what somebody must be left with in `org_platform`.
bool opens_all(const Key& key) {
  return key.status == Key::Status::active && !key.expires && !key.projects &&
         std::ranges::find(key.permissions, "*") != key.permissions.end();
}

bool is_last_to_open_all(const Context& context, const RevokeKey& command, const Key& key) {
  if (context.organization != schemas::platform_organization || !opens_all(key)) return false;
  auto another = [&](const projections::FoundRow& found) {
    return found.entity.id != command.id &&
           opens_all(projections::decode_row<Key>(found.bytes).state);
  };
  projections::ListOptions options{.limit = 1, .filter = another};
  return context.view.list(context.topic, Key::kind, true, options).rows.empty();
}

}  // namespace

Result<Decision> decide(const Context& context, const CreateKey& command) {
  if (context.rights != nullptr) {
    auto granted = check_grant(*context.rights, command);
    if (!granted) return std::unexpected(std::move(granted).error());
  }
  if (command.expires && *command.expires <= context.now) {
    return schemas::invalid_field("/expires_at", "is in the past");
  }
  schemas::KeyCreated created{
      .name = command.name,
      .permissions = {command.permissions.begin(), command.permissions.end()},
      .projects = {},
      .expires = command.expires,
      .credential = {command.digest, command.hint},
      .platform = command.platform};
  if (command.projects)
    created.projects.emplace(command.projects->begin(), command.projects->end());
  return one_event(context, {context.new_id(), {}}, Version{}, std::move(created));
}

Result<Decision> decide(const Context& context, const RotateKey& command) {
  auto row = living_key(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  return one_event(
      context, {command.id, {}}, row->head.version,
      schemas::KeyRotated{{command.digest, command.hint}, context.now + command.overlap});
}

Result<Decision> decide(const Context& context, const RevokeKey& command) {
  auto row = living_key(context, command.id);
  if (!row) return std::unexpected(std::move(row).error());
  if (is_last_to_open_all(context, command, row->state)) {
    return fail(ErrorCode::in_use,
                "this is the last platform key that may do everything and does not expire; make "
                "another one first");
  }
  return one_event(context, {command.id, {}}, row->head.version, schemas::KeyRevoked{});
}

}  // namespace manager
