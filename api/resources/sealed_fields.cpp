#include "api/resources/sealed_fields.h"

#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using schemas::json::Value;

SealedKinds read_kinds(std::string_view manifest) {
  auto document = schemas::json::parse(manifest);
  ENSURE(document.has_value());
  SealedKinds found;
  auto kinds = document->root().find("kinds");
  if (!kinds) return found;
  for (auto [name, kind] : kinds->members()) {
    auto sealed = kind.find("sealed");
    if (!sealed || sealed->size() == 0) continue;
    auto& pointers = found[std::string(name)];
    for (auto one : sealed->elements()) pointers.emplace(*one.as_string(), false);
    for (const auto& index : projections::indexes_of(kind)) {
      for (const auto& pointer : index.sealed) pointers[pointer] = true;
    }
  }
  return found;
}

/// A product is part of the place: kinds of two products may have one name.
std::string kind_of(const SealedPlace& place) {
  return std::string(place.product) + "/" + std::string(place.kind);
}

/// A place as the sealing knows it.
struct SealingPlace {
  explicit SealingPlace(const SealedPlace& of)
      : organization(of.organization),
        space(of.space),
        kind(kind_of(of)),
        entity{{}, std::string(of.entity)} {}
  eventstore::FieldPlace field(std::string_view pointer) const {
    return {organization, space, kind, entity, pointer};
  }

  OrganizationId organization;
  Space space;
  std::string kind;
  schemas::Entity entity;
};

/// The value as JSON text that is sealed. What no index can hold, an object say, equals nothing.
Result<std::string> seal_value(eventstore::Sealing& sealing, const eventstore::FieldPlace& place,
                               Value value, bool found_by) {
  auto sealed = sealing.seal(place, schemas::json::minify(value));
  if (!sealed) return std::unexpected(std::move(sealed).error());
  std::optional<schemas::BlindHash> blind;
  const auto text = found_by ? projections::index_text(value) : std::nullopt;
  if (text) {
    auto hash = sealing.blind(place, *text);
    if (!hash) return std::unexpected(std::move(hash).error());
    blind = *hash;
  } else if (found_by) {
    schemas::random_bytes(blind.emplace());
  }
  return schemas::json::quote(schemas::sealed_text(schemas::bytes_of(*sealed), blind));
}

/// The document with each value for which `change` has one replaced; its first error ends it.
using Replace =
    std::function<std::optional<Result<std::string>>(std::string_view pointer, Value value)>;
Result<std::string> rewrite(Value root, const Replace& replace) {
  Result<void> done;
  auto json = schemas::json::rewrite(
      root, [&](std::string_view pointer, Value value) -> std::optional<std::string> {
        auto changed = done ? replace(pointer, value) : std::nullopt;
        if (!changed) return std::nullopt;
        if (!*changed) done = std::unexpected(std::move(*changed).error());
        return done ? std::optional(std::move(**changed)) : std::nullopt;
      });
  if (!done) return std::unexpected(std::move(done).error());
  return json;
}

/// Answers whether there was anything to seal.
Result<bool> seal_event(const SealRequest& request, std::string_view product,
                        manager::AppendEvents::Event& event) {
  const auto pointers = request.kinds.find(event.kind);
  if (pointers == request.kinds.end()) return false;
  const SealingPlace place(
      {request.organization, request.space, product, event.kind, event.entity});
  auto data = schemas::json::parse(event.data);
  ENSURE(data.has_value());
  bool any = false;
  auto sealed =
      rewrite(data->root(),
              [&](std::string_view pointer, Value value) -> std::optional<Result<std::string>> {
                const auto found = pointers->second.find(pointer);
                if (found == pointers->second.end() || value.is_null()) return std::nullopt;
                any = true;
                return seal_value(request.sealing, place.field(pointer), value, found->second);
              });
  if (!sealed) return std::unexpected(std::move(sealed).error());
  if (any) event.clear = std::exchange(event.data, std::move(*sealed));
  return any;
}

}  // namespace

std::shared_ptr<const SealedKinds> SealedCache::of(const Services& services,
                                                   const std::string& product) {
  const auto identity = *services.topics.find(eventstore::identity_product);
  const auto log = services.topics.log_of(identity, schemas::platform_organization);
  // Before the rows are read: they may be newer, and then are read again.
  const auto applied = services.progress.applied_end(log);
  {
    std::lock_guard lock(mutex_);
    const auto known = entries_.find(product);
    if (known != entries_.end() && known->second.applied == applied) return known->second.kinds;
  }
  const projections::Reader platform(services.rows, schemas::platform_organization, Space::live);
  const auto row = platform.get<projections::Product>(identity, {{}, product});
  auto kinds =
      std::make_shared<const SealedKinds>(row ? read_kinds(row->state.manifest) : SealedKinds{});
  if (row) {
    std::lock_guard lock(mutex_);
    entries_.insert_or_assign(product, Entry{applied, kinds});
  }
  return kinds;
}

Result<std::optional<schemas::HmacKey>> seal_events(const SealRequest& request,
                                                    manager::AppendEvents& command) {
  bool any = false;
  for (auto& event : command.events) {
    auto sealed = seal_event(request, command.product, event);
    if (!sealed) return std::unexpected(std::move(sealed).error());
    any = any || *sealed;
  }
  if (!any) return std::nullopt;
  auto key = request.sealing.digest_key(request.organization);
  if (!key) return std::unexpected(std::move(key).error());
  return *key;
}

bool looks_sealed(Value data) {
  bool found = false;
  schemas::json::rewrite(data, [&](std::string_view, Value value) -> std::optional<std::string> {
    found = found || (value.is_string() && schemas::parse_sealed_text(*value.as_string()));
    return std::nullopt;
  });
  return found;
}

Result<std::string> open_sealed(eventstore::Sealing& sealing, const SealedPlace& place,
                                std::string_view json) {
  if (!schemas::may_hold_sealed(json)) return std::string(json);
  const SealingPlace where(place);
  auto data = schemas::json::parse(json);
  ENSURE(data.has_value());
  return rewrite(data->root(),
                 [&](std::string_view pointer, Value value) -> std::optional<Result<std::string>> {
                   const auto text = value.as_string();
                   const auto sealed = text ? schemas::parse_sealed_text(*text) : std::nullopt;
                   const auto bytes =
                       sealed ? schemas::parse_base64url(sealed->sealed) : std::nullopt;
                   if (!bytes || !eventstore::is_sealed_field(*bytes)) return std::nullopt;
                   auto opened = sealing.open(where.field(pointer), schemas::text_of(*bytes));
                   if (!opened) return std::unexpected(std::move(opened).error());
                   return std::string(opened->reveal());
                 });
}

Result<std::string> blind_value(eventstore::Sealing& sealing, const SealedPlace& place,
                                std::string_view pointer, std::string_view text) {
  auto hash = sealing.blind(SealingPlace(place).field(pointer), text);
  if (!hash) return std::unexpected(std::move(hash).error());
  return projections::index_value(schemas::blind_text(*hash));
}

}  // namespace api::resources
