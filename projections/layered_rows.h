#pragma once

#include <functional>
#include <iterator>

#include "projections/rows.h"

namespace projections {

/// How a map of changes keeps a row: as it is, in a WriteSet.
inline const std::optional<std::string>& changed_row(const std::optional<std::string>& row) {
  return row;
}

/// Rows with changes on top, as if they were written already. `Changes` is an ordered map from key
/// to something that changed_row() reads: an empty row means erased. References both; one thread.
template <typename Changes>
class Layered final : public RowReader {
 public:
  Layered(const RowReader& below, const Changes& changes) : below_(below), changes_(changes) {}

  std::optional<std::string> get(std::string_view key) const override {
    auto found = changes_.find(key);
    return found != changes_.end() ? changed_row(found->second) : below_.get(key);
  }
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override {
    Merge merge(changes_.lower_bound(from), changes_.lower_bound(to), visit,
                std::less<std::string_view>{});
    below_.scan(from, to, [&](auto key, auto value) { return merge.below(key, value); });
    merge.rest();
  }
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override {
    Merge merge(std::make_reverse_iterator(changes_.lower_bound(to)),
                std::make_reverse_iterator(changes_.lower_bound(from)), visit,
                std::greater<std::string_view>{});
    below_.scan_back(from, to, [&](auto key, auto value) { return merge.below(key, value); });
    merge.rest();
  }

 private:
  /// Walks a range of changes and the rows below it together; where both have a key, the change
  /// wins. `Before(a, b)` says which key comes first in the direction of the walk.
  template <typename Iterator, typename Before>
  class Merge {
   public:
    Merge(Iterator at, Iterator end, const Visit& visit, Before before)
        : at_(at), end_(end), visit_(visit), before_(before) {}

    bool below(std::string_view key, std::string_view value) {
      while (at_ != end_ && before_(std::string_view(at_->first), key)) {
        if (!emit_change()) return false;
      }
      if (at_ != end_ && at_->first == key) return emit_change();
      return going_ = visit_(key, value);
    }
    void rest() {
      while (going_ && at_ != end_) emit_change();
    }

   private:
    bool emit_change() {
      const auto& change = *at_++;
      const auto& row = changed_row(change.second);
      if (row) going_ = visit_(change.first, *row);
      return going_;
    }

    Iterator at_;
    Iterator end_;
    const Visit& visit_;
    Before before_;
    bool going_ = true;
  };

  const RowReader& below_;
  const Changes& changes_;
};

using LayeredRows = Layered<WriteSet>;

}  // namespace projections
