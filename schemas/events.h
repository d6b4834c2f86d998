#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "schemas/ids.h"

/// What happened: one struct per event type, the same for writing and for reading. All texts are
/// views: into the caller's memory when an event is drafted, into the record's bytes when it is
/// read, so that folds read in place. They live as long as those bytes.
namespace schemas {

/// What a declared event does to its entity's state: replace it, merge into it (RFC 7396), remove
/// it.
enum class Fold : std::uint8_t { replace = 0, merge = 1, remove = 2 };

/// A declared product's data as JSON text. The fold stands in the event, so that a partition is
/// folded from its own records alone.
struct Json {
  std::string_view text;
  Fold fold = Fold::replace;
};

struct OrganizationCreated {
  std::string_view name;
  std::string_view slug;
};
/// Absent members did not change.
struct OrganizationChanged {
  std::optional<std::string_view> name;
  std::optional<std::string_view> slug;
};
struct OrganizationSuspended {};
struct OrganizationResumed {};

/// One secret of a key. Only its SHA-256 is kept; `hint` are the characters that may be shown.
struct Credential {
  std::string_view digest;
  std::string_view hint;
};
struct KeyCreated {
  std::string_view name;
  std::vector<std::string_view> permissions;
  std::optional<std::vector<std::string_view>> projects;  // absent: all
  std::optional<Time> expires;
  Credential credential;
  bool platform = false;
};
/// The credentials before it work until `old_expires`.
struct KeyRotated {
  Credential credential;
  Time old_expires;
};
struct KeyRevoked {};

struct ProductDeclared {
  std::string_view manifest;
};

struct ProjectCreated {
  std::string_view name;
  std::string_view slug;
};
struct ProjectChanged {
  std::optional<std::string_view> name;
  std::optional<std::string_view> slug;
};
struct ProjectArchived {};
struct ProjectRestored {};
struct ProjectDeleted {};

// Things of a project: entities that have its id and a name below it (projections/project_parts.h).
struct EnvironmentCreated {};
struct EnvironmentDeleted {};
/// What a member may do; a higher one may all that a lower one may.
enum class Role : std::uint8_t { viewer = 0, member = 1, admin = 2, owner = 3 };
struct MemberAdded {
  Role role = Role::viewer;
};
struct MemberRoleChanged {
  Role role = Role::viewer;
};
struct MemberRemoved {};
/// `patch` is the JSON text of an RFC 7396 merge patch.
struct SettingsChanged {
  std::string_view patch;
};

/// Written by a newer version of the program: it verifies, but no fold can apply it.
struct UnknownEvent {};

using EventData =
    std::variant<UnknownEvent, Json, OrganizationCreated, OrganizationChanged,
                 OrganizationSuspended, OrganizationResumed, KeyCreated, KeyRotated, KeyRevoked,
                 ProductDeclared, ProjectCreated, ProjectChanged, ProjectArchived, ProjectRestored,
                 ProjectDeleted, EnvironmentCreated, EnvironmentDeleted, MemberAdded,
                 MemberRoleChanged, MemberRemoved, SettingsChanged>;

/// The name that the outside sees, such as `project.created`. Not for Json, whose type is declared.
std::string_view type_of(const EventData& data);
/// The kind of entity that a built-in event belongs to, such as `project`.
std::string_view kind_of(const EventData& data);

/// The text a subject, a path or an answer shows: `proj_…`, or a declared entity's name.
std::string entity_text(std::string_view kind, const Entity& entity);
/// The prefix of a built-in kind's ids; empty for kinds that are named by text.
std::string_view id_prefix(std::string_view kind);

}  // namespace schemas
