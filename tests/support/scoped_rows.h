#pragma once

#include <gtest/gtest.h>

#include "projections/row_keys.h"
#include "projections/rows.h"

namespace projections {

/// Rows that only one (organization, space) may look at: a look outside, or a range that reaches
/// outside, is a failure of the test, whatever stands there.
class ScopedRows final : public RowReader {
 public:
  ScopedRows(const RowReader& rows, OrganizationId organization, Space space)
      : rows_(rows), prefix_(organization_prefix(organization, space)) {}

  std::optional<std::string> get(std::string_view key) const override {
    EXPECT_TRUE(key.starts_with(prefix_));
    return rows_.get(key);
  }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    check(from, to);
    rows_.scan(from, to, [&](auto key, auto row) { return seen(key) && visit(key, row); });
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    check(from, to);
    rows_.scan_back(from, to, [&](auto key, auto row) { return seen(key) && visit(key, row); });
  }

 private:
  void check(std::string_view from, std::string_view to) const {
    EXPECT_TRUE(from.starts_with(prefix_));
    EXPECT_FALSE(to.empty()) << "a range without an end";
    EXPECT_LE(from, to);
    EXPECT_LE(to, prefix_end(prefix_));
  }
  bool seen(std::string_view key) const {
    EXPECT_TRUE(key.starts_with(prefix_));
    return true;
  }
  const RowReader& rows_;
  std::string prefix_;
};

}  // namespace projections
