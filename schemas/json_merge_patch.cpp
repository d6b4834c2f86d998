#include <algorithm>

#include "schemas/json_writer.h"

namespace schemas::json {

namespace {

/// Finds members by name; in large objects by a sorted table, so that a patch of n members to an
/// object of n members does not cost n².
class MemberFinder {
 public:
  explicit MemberFinder(std::optional<Value> object) : object_(object) {
    if (!object_ || object_->size() <= 16) return;
    table_.reserve(object_->size());
    for (const Member member : object_->members()) table_.push_back(member);
    std::ranges::sort(table_, {}, &Member::name);
  }

  std::optional<Value> find(std::string_view name) const {
    if (!object_) return std::nullopt;
    if (table_.empty()) return object_->find(name);
    const auto at = std::ranges::lower_bound(table_, name, {}, &Member::name);
    if (at == table_.end() || at->name != name) return std::nullopt;
    return at->value;
  }

 private:
  std::optional<Value> object_;
  std::vector<Member> table_;
};

void write_merged(Writer& writer, std::optional<Value> target, Value patch) {
  if (!patch.is_object()) {
    writer.value(patch);
    return;
  }
  if (target && !target->is_object()) target.reset();
  const MemberFinder in_target(target);
  const MemberFinder in_patch(patch);
  writer.begin_object();
  if (target) {
    for (const auto [name, value] : target->members()) {
      const auto change = in_patch.find(name);
      if (!change) {
        writer.member(name, value);
      } else if (!change->is_null()) {
        write_merged(writer.name(name), value, *change);
      }
    }
  }
  for (const auto [name, value] : patch.members()) {
    if (value.is_null() || in_target.find(name)) continue;
    write_merged(writer.name(name), std::nullopt, value);
  }
  writer.end_object();
}

}  // namespace

std::string merge_patch(std::optional<Value> target, Value patch) {
  std::string out;
  Writer writer(out);
  write_merged(writer, target, patch);
  return out;
}

}  // namespace schemas::json
