#pragma once

#include "projections/rows.h"

namespace projections {

/// Rows with a set of changes on top, as if they were written already. References both; one thread.
class LayeredRows : public RowReader {
 public:
  LayeredRows(const RowReader& below, const WriteSet& changes) : below_(below), changes_(changes) {}

  std::optional<std::string> get(std::string_view key) const override;
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override;
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override;

 private:
  const RowReader& below_;
  const WriteSet& changes_;
};

}  // namespace projections
