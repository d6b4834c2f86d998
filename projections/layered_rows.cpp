#include "projections/layered_rows.h"

#include <iterator>

namespace projections {
namespace {

/// Walks a range of changes and the rows below it together; where both have a key, the change wins.
/// `Before(a, b)` says which key comes first in the direction of the walk.
template <typename Iterator, typename Before>
class Merge {
 public:
  Merge(Iterator at, Iterator end, const RowReader::Visit& visit, Before before)
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
    const auto& [key, value] = *at_++;
    if (value) going_ = visit_(key, *value);
    return going_;
  }

  Iterator at_;
  Iterator end_;
  const RowReader::Visit& visit_;
  Before before_;
  bool going_ = true;
};

}  // namespace

std::optional<std::string> LayeredRows::get(std::string_view key) const {
  auto found = changes_.find(key);
  return found != changes_.end() ? found->second : below_.get(key);
}

void LayeredRows::scan(std::string_view from, std::string_view to, const Visit& visit) const {
  Merge merge(changes_.lower_bound(from), changes_.lower_bound(to), visit,
              std::less<std::string_view>{});
  below_.scan(from, to, [&](auto key, auto value) { return merge.below(key, value); });
  merge.rest();
}

void LayeredRows::scan_back(std::string_view from, std::string_view to, const Visit& visit) const {
  Merge merge(std::make_reverse_iterator(changes_.lower_bound(to)),
              std::make_reverse_iterator(changes_.lower_bound(from)), visit,
              std::greater<std::string_view>{});
  below_.scan_back(from, to, [&](auto key, auto value) { return merge.below(key, value); });
  merge.rest();
}

}  // namespace projections
