#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "manager/commands.h"

/// What a simulated world must come to, without logs, disks, rows and overlays: plain maps that
/// follow the rules of API.md for projects and for one declared product.
namespace simulation {

using manager::Command;
using manager::CommandContext;
using manager::Expected;
using schemas::ErrorCode;
using schemas::OrganizationId;
using schemas::Space;
using schemas::Time;
using schemas::Uuid;

enum class Product : std::uint8_t { projects, files };

/// Whose state: one product of one organization in one space. No rule spans two.
struct Scope {
  OrganizationId organization;
  Space space;
  Product product;
  friend auto operator<=>(const Scope&, const Scope&) = default;
};

struct FileEvent {
  enum class Change : std::uint8_t { set, merged, gone };
  std::string file;
  Change change;
  std::string member;  // what set and merged write: {"member": value}
  int value;
};

/// A command as data: what is asked, by whom, under which conditions.
struct Intent {
  enum class Action : std::uint8_t { create, change, archive, restore, remove, append };
  Scope scope;
  Action action;
  int project = -1;  // its number; a new one for `create`
  std::optional<std::string> name;
  std::optional<std::string> slug;
  std::vector<FileEvent> events;
  std::optional<std::pair<std::string, Expected>> condition;  // on a file
  std::optional<std::uint64_t> if_match;
  std::optional<std::string> key;

  /// Equal for equal requests.
  std::string request() const;
  Command command(const Uuid& project_id) const;
  CommandContext context() const;
};

struct Expectation {
  std::optional<ErrorCode> refused;
  bool unchanged = false;
  bool replayed = false;
  std::vector<std::uint64_t> versions;  // of the events
  int project = -1;                     // its number, if it is about one
  bool writes() const { return !refused && !unchanged && !replayed; }
  friend bool operator==(const Expectation&, const Expectation&) = default;
};

struct Project {
  std::string name;
  std::string slug;
  bool archived = false;
  std::uint64_t version = 1;
};
struct File {
  bool there = false;
  std::uint64_t version = 0;
  std::map<std::string, int> members;
  std::string json() const;  // canonical (RFC 8785)
};

/// Everything of one scope.
class State {
 public:
  /// Decides and, if accepted, changes the state; `now` is when a manager would decide.
  Expectation run(const Intent& intent, Time now);

  const std::map<int, Project>& projects() const { return projects_; }
  const std::map<std::string, File>& files() const { return files_; }

 private:
  struct Remembered {
    std::string request;
    Expectation first;
    Time recorded;
  };
  Expectation decide(const Intent& intent);
  Expectation decide_project(const Intent& intent);
  Expectation decide_change(const Intent& intent, Project& project);
  Expectation append(const Intent& intent);
  bool slug_taken(const std::string& slug) const;
  File file(const std::string& name) const;

  std::map<int, Project> projects_;
  std::map<std::string, File> files_;
  std::map<std::string, Remembered> remembered_;
};
using States = std::map<Scope, State>;

}  // namespace simulation
