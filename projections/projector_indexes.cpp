#include <algorithm>

#include "projections/projector.h"
#include "projections/reader.h"

/// What the projector knows of declared indexes, and how it makes what they lack.
namespace projections {

FoldedRecord Projector::folded(const eventstore::StoredRecord& record) const {
  return {record.log, record.offset, schemas::BatchView::trusted(record.payload.bytes()),
          indexes(record.log.topic)};
}

const KindIndexes* Projector::indexes(schemas::TopicId topic) const {
  return topics_ == nullptr ? nullptr : indexes_.of(topics_->name(topic));
}

/// From the next record on a changed manifest counts.
void Projector::take_manifests(const schemas::BatchView& batch) {
  if (batch.organization() != schemas::platform_organization) return;
  for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
    const auto event = batch.event(i);
    const auto data = event.data();
    const auto* declared = std::get_if<schemas::ProductDeclared>(&data);
    if (declared == nullptr) continue;
    indexes_.take(event.entity().name, declared->manifest);
    builds_left_ = true;
  }
}

void Projector::load_indexes() {
  builds_left_ = true;
  const auto identity =
      topics_ == nullptr ? std::nullopt : topics_->find(eventstore::identity_product);
  if (!identity) return;
  const auto prefix = kind_prefix(
      'R', {schemas::platform_organization, schemas::Space::live, *identity, Product::kind});
  rows_.scan(prefix, prefix_end(prefix), [&](std::string_view key, std::string_view row) {
    auto product = parse_entity_key(key.substr(prefix.size()), false).name;
    indexes_.take(product, decode_row<Product>(row).state.manifest);
    return true;
  });
}

/// The first index that is not made yet. A topic that is not known yet has no rows here yet.
std::optional<Projector::Unmade> Projector::next_build() const {
  std::optional<Unmade> next;
  const auto prefix = builds_prefix();
  rows_.scan(prefix, prefix_end(prefix), [&](std::string_view key, std::string_view row) {
    auto build = decode_build(row);
    const auto [product, kind, name] = parse_build_key(key);
    const auto topic = topics_->find(product);
    if (build.done || !topic) return true;
    const auto* declared = indexes_.of(product);
    ENSURE(declared != nullptr && declared->contains(kind));
    const auto& of_kind = declared->find(kind)->second;
    const auto index = std::ranges::find(of_kind, name, &Index::name);
    ENSURE(index != of_kind.end());
    next.emplace(std::string(key), *topic, kind, &*index, std::move(build));
    return false;
  });
  return next;
}

schemas::Result<bool> Projector::build_indexes(std::size_t rows_max) {
  if (!builds_left_ || !caught_up_ || topics_ == nullptr || rows_.broken()) return true;
  while (rows_max > 0) {
    auto next = next_build();
    builds_left_ = next.has_value();
    if (!next) return true;
    WriteSet changes;
    build_piece(rows_, next->topic, next->kind, *next->index, rows_max, next->build, changes);
    if (!changes.empty()) indexes_.note_entries();
    changes[next->key] = encode_build(next->build);
    auto written = rows_.write(changes);
    if (!written) return std::unexpected(std::move(written).error());
  }
  return false;
}

}  // namespace projections
