#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "manager/commands.h"

/// What a World must come to, without logs, rows and overlays: plain maps that follow the rules.
namespace manager {

using schemas::ErrorCode;
using schemas::OrganizationId;

struct ModelProject {
  std::string name;
  std::string slug;
  bool archived = false;
  std::uint64_t version = 1;
};
struct ModelFile {
  bool there = false;
  std::uint64_t version = 0;
  std::string json;
};
/// What an answer must be.
struct Expectation {
  std::optional<ErrorCode> refused;
  bool unchanged = false;
  bool replayed = false;
  std::vector<std::uint64_t> versions;  // of the events
  int project = -1;                     // its number, if it is about one
};
struct Remembered {
  std::string request;
  Expectation first;
  schemas::Time recorded;
};
/// Everything of one (organization, space).
struct ModelState {
  std::map<int, ModelProject> projects;
  std::map<std::string, ModelFile> files;
  std::map<std::string, Remembered> remembered;

  bool slug_taken(const std::string& slug) const {
    return std::ranges::any_of(projects, [&](const auto& p) { return p.second.slug == slug; });
  }
};
struct Corner {
  OrganizationId organization;
  Space space;
  friend auto operator<=>(const Corner&, const Corner&) = default;
};
using ModelStates = std::map<Corner, ModelState>;

/// Whether an expectation about a file is met.
inline bool is_met(const Expected& expected, const ModelFile& file) {
  switch (expected.is) {
    case Expected::Case::any:
      return true;
    case Expected::Case::exists:
      return file.there;
    case Expected::Case::absent:
      return !file.there;
    case Expected::Case::no_stream:
      return file.version == 0;
    case Expected::Case::deleted:
      return !file.there && file.version > 0;
    case Expected::Case::exactly:
      return file.version == to_number(expected.version);
  }
  return false;
}

}  // namespace manager
