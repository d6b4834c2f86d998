#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// The seam between folds and stores: rows are bytes under ordered byte keys.
namespace projections {

/// Reads rows: a store, a snapshot of it, or a store under an overlay. One thread at a time unless
/// the implementation says more. A read that the disk refuses throws StoreFailure (read_store.h):
/// to answer "absent" would be a lie that decide acts upon.
class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual std::optional<std::string> get(std::string_view key) const = 0;
  /// Rows with from <= key < to in key order (to must not be empty), until `visit` answers false.
  /// What is visited is the range as it was when the scan began; the views live until `visit`
  /// returns.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  virtual void scan(std::string_view from, std::string_view to, const Visit& visit) const = 0;
  /// The same range backwards.
  virtual void scan_back(std::string_view from, std::string_view to, const Visit& visit) const = 0;
};

/// Changes of rows, last one wins; an empty optional erases.
using WriteSet = std::map<std::string, std::optional<std::string>, std::less<>>;

}  // namespace projections
