#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "projections/rows.h"

namespace manager {

/// Rows of everything decided but not yet applied: what decide sees on top of the store. A row
/// stays until the newest record that changed it is applied (or gone). Bounded by the commands in
/// flight.
class Overlay {
 public:
  /// `ticket` rises with every record.
  void add(std::uint64_t ticket, const projections::WriteSet& changes);
  /// The record is in the rows now, or will never be.
  void remove(std::uint64_t ticket, const projections::WriteSet& changes);

  const projections::WriteSet& rows() const { return rows_; }

 private:
  projections::WriteSet rows_;
  std::map<std::string, std::uint64_t, std::less<>> newest_;
};

}  // namespace manager
