#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/resources/ask.h"
#include "api/resources/operation.h"
#include "manager/commands.h"
#include "projections/declared_indexes.h"
#include "schemas/sealed_text.h"

/// Sealed fields of declared products (DESIGN 4): what a manifest names under `sealed` is sealed
/// here before it is submitted, and opened here for answers. In between it is never in clear: not
/// in the log, rows, indexes, metrics or our own log.
namespace api::resources {

/// Of a kind: the JSON pointers that are sealed, and whether an index or a unique rule names them.
using SealedPointers = std::map<std::string, bool, std::less<>>;
/// Kinds that have any.
using SealedKinds = std::map<std::string, SealedPointers, std::less<>>;

/// What the newest manifests seal. Any thread.
class SealedCache {
 public:
  /// Empty when the product seals nothing, or is not there.
  std::shared_ptr<const SealedKinds> of(const Services& services, const std::string& product);

 private:
  struct Entry {
    schemas::Offset applied;  // of the manifests' log
    std::shared_ptr<const SealedKinds> kinds;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

/// Where a product's entity is; views.
struct SealedPlace {
  OrganizationId organization;
  Space space;
  std::string_view product;
  std::string_view kind;
  std::string_view entity;
};

struct SealRequest {
  eventstore::Sealing& sealing;
  const SealedKinds& kinds;
  OrganizationId organization;
  Space space;
};
/// Seals what the manifest says of these events. Answers what keys the digest of a request that
/// holds what was sealed; empty: nothing was. May block, where the organization has no key yet.
Result<std::optional<schemas::HmacKey>> seal_events(const SealRequest& request,
                                                    manager::AppendEvents& command);

/// Whether a value has the form of a sealed one, which nobody may send.
bool looks_sealed(schemas::json::Value data);

/// JSON with the sealed values in it opened. Quick when there are none; else it may block.
Result<std::string> open_sealed(eventstore::Sealing& sealing, const SealedPlace& place,
                                std::string_view json);

/// By what rows are found whose sealed field at `pointer` is this text. May block.
Result<std::string> blind_value(eventstore::Sealing& sealing, const SealedPlace& place,
                                std::string_view pointer, std::string_view text);

}  // namespace api::resources
