#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projections/resource_states.h"
#include "projections/row.h"
#include "projections/webhook_states.h"
#include "schemas/events.h"
#include "schemas/ids.h"

/// The state of each kind of entity: what its events fold to. `members` names what a row stores.
namespace projections {

struct Organization {
  static constexpr std::string_view kind = "organization";
  enum class Status : std::uint8_t { active, suspended };
  std::string name;
  std::string slug;
  Status status = Status::active;
  static void members(auto& self, auto& visit) {
    visit(self.name);
    visit(self.slug);
    visit(self.status);
  }
};
std::string_view to_text(Organization::Status status);

/// One secret of a key: `digest` is the SHA-256 of its whole text.
struct Credential {
  std::string digest;
  std::string hint;
  std::optional<Time> expires;
  static void members(auto& self, auto& visit) {
    visit(self.digest);
    visit(self.hint);
    visit(self.expires);
  }
};

struct Key {
  static constexpr std::string_view kind = "key";
  enum class Status : std::uint8_t { active, revoked };
  std::string name;
  std::vector<std::string> permissions;
  std::optional<std::vector<std::string>> projects;  // absent: all
  std::optional<Time> expires;
  bool platform = false;
  Status status = Status::active;
  std::vector<Credential> credentials;  // at most two, newest last
  static void members(auto& self, auto& visit) {
    visit(self.name);
    visit(self.permissions);
    visit(self.projects);
    visit(self.expires);
    visit(self.platform);
    visit(self.status);
    visit(self.credentials);
  }
};
std::string_view to_text(Key::Status status);

struct Project {
  static constexpr std::string_view kind = "project";
  enum class Status : std::uint8_t { active, archived };
  std::string name;
  std::string slug;
  Status status = Status::active;
  static void members(auto& self, auto& visit) {
    visit(self.name);
    visit(self.slug);
    visit(self.status);
  }
};
std::string_view to_text(Project::Status status);

/// What is below a project; its entity is named by project_parts.h.
struct Environment {
  static constexpr std::string_view kind = "environment";
  static void members(auto&, auto&) {}
};

struct Member {
  static constexpr std::string_view kind = "member";
  schemas::Role role = schemas::Role::viewer;
  bool as_added = true;  // has had no other role since
  static void members(auto& self, auto& visit) {
    visit(self.role);
    visit(self.as_added);
  }
};
std::string_view to_text(schemas::Role role);

/// Of a project, or of one of its environments.
struct Settings {
  static constexpr std::string_view kind = "settings";
  std::string json;  // an object
  static void members(auto& self, auto& visit) { visit(self.json); }
};

/// Of a project, or of one of its environments.
struct Secret {
  static constexpr std::string_view kind = "secret";
  std::string sealed;              // eventstore/sealing.h
  schemas::Version value_version;  // at which this value was set
  schemas::Version first_version;  // at which its first one was, since it was last deleted
  static void members(auto& self, auto& visit) {
    visit(self.sealed);
    visit(self.value_version);
    visit(self.first_version);
  }
};

/// A declared product: its newest manifest. The row's version is the manifest's.
struct Product {
  static constexpr std::string_view kind = "product";
  std::string manifest;  // JSON text, as accepted, minified
  static void members(auto& self, auto& visit) { visit(self.manifest); }
};

/// An entity of a declared product: its state as JSON text.
struct Declared {
  std::string json;
  static void members(auto& self, auto& visit) { visit(self.json); }
};

/// What a credential opens: the row of the access table, found by the SHA-256 of the key's text.
struct Access {
  schemas::Uuid organization;
  schemas::Space space = schemas::Space::live;
  schemas::Uuid key;
  std::vector<std::string> permissions;
  std::optional<std::vector<std::string>> projects;
  std::optional<Time> expires;
  bool platform = false;
  static void members(auto& self, auto& visit) {
    visit(self.organization);
    visit(self.space);
    visit(self.key);
    visit(self.permissions);
    visit(self.projects);
    visit(self.expires);
    visit(self.platform);
  }
};

}  // namespace projections
