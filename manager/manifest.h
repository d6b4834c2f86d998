#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/events.h"
#include "schemas/result.h"

/// What a declared product consists of: kinds, their event types, and what each type does to an
/// entity. Parsed from the text that stands in the log; a value.
namespace manager {

class Manifest {
 public:
  struct Kind {
    std::map<std::string, schemas::Fold, std::less<>> events;
  };

  /// Checks form, names and number (1,000 kinds and types in all); the error has a pointer per
  /// wrong member.
  static schemas::Result<Manifest> parse(std::string_view json, std::uint32_t version);

  std::uint32_t version() const { return version_; }
  const std::map<std::string, Kind, std::less<>>& kinds() const { return kinds_; }
  /// How the type folds; empty when the kind or the type is not declared.
  std::optional<schemas::Fold> fold_of(std::string_view kind, std::string_view type) const;

 private:
  std::uint32_t version_ = 0;
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace manager
