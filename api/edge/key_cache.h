#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "projections/states.h"
#include "schemas/crypto.h"
#include "schemas/ids.h"

namespace api::edge {

/// What the rows say of a key: its rights, and whether its organization is suspended.
struct KnownKey {
  std::shared_ptr<const projections::Access> access;  // shared with callers, commands and streams
  bool suspended = false;
};

/// Keys as they were looked up, each valid as long as nothing has been folded since into the logs
/// that it depends on: the identity logs of its organization and of the platform. So it is never
/// older than the rows. Any thread; the lock is held for a look-up.
class KeyCache {
 public:
  /// How far the two identity logs were folded before the rows were read.
  struct Moment {
    schemas::Offset own;
    schemas::Offset platform;
    friend bool operator==(const Moment&, const Moment&) = default;
  };

  /// The key and when it was looked up; the caller compares that with now.
  struct Entry {
    KnownKey key;
    Moment moment;
  };
  std::optional<Entry> find(const schemas::Digest& digest) const;
  void put(const schemas::Digest& digest, Entry entry);

 private:
  static constexpr std::size_t entries_max = 4096;
  struct Hash {
    std::size_t operator()(const schemas::Digest& digest) const;
  };

  mutable std::mutex mutex_;
  std::unordered_map<schemas::Digest, Entry, Hash> entries_;
};

}  // namespace api::edge
