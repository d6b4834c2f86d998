#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "projections/layered_rows.h"

namespace manager {

/// Rows of everything decided but not yet applied: what decide sees on top of the store. A row
/// stays until the newest record that changed it is applied (or gone). Bounded by the commands in
/// flight; it points into their changes, which stay where they are until `remove`.
class Overlay {
 public:
  struct Change {
    const std::optional<std::string>* row;
    std::uint64_t ticket;
  };
  using Changes = std::map<std::string_view, Change>;

  /// `ticket` rises with every record.
  void add(std::uint64_t ticket, const projections::WriteSet& changes);
  /// The record is in the rows now, or will never be.
  void remove(std::uint64_t ticket, const projections::WriteSet& changes);

  const Changes& changes() const { return changes_; }

 private:
  Changes changes_;
};

inline const std::optional<std::string>& changed_row(const Overlay::Change& change) {
  return *change.row;
}

using OverlaidRows = projections::Layered<Overlay::Changes>;

}  // namespace manager
