#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "projections/read_store.h"

/// The store in memory: for tests and simulation, with the behaviour of the one on disk. Every row
/// keeps the versions that somebody can still see: the present, the living snapshots, and what was
/// flushed.
///
///     key a   2: "x"            7: "y"                   number: the write that made it; - :
///     erased key b            5: "z"             8: -
///                          ^ flushed_ = 6        ^ written_ = 9
///     after crash():  a = "x", b = "z"
namespace projections {

class MemoryStore final : public ReadStore {
 public:
  std::optional<std::string> get(std::string_view key) const override;
  void scan(std::string_view from, std::string_view to, const Visit& visit) const override;
  void scan_back(std::string_view from, std::string_view to, const Visit& visit) const override;
  std::unique_ptr<RowReader> snapshot() const override;
  using ReadStore::write;
  schemas::Result<void> write(std::span<const WriteSet* const> changes) override;
  schemas::Result<void> flush() override;
  /// The flush is done when the next write begins: a crash before that forgets.
  void flush_soon() override;
  std::optional<schemas::Error> broken() const override;
  schemas::Result<void> hold(const Refold& refold) override;
  schemas::Result<void> resume(const Refold& refold) override;
  /// Neither may be watched.
  void swap_with(ReadStore& other) override;
  bool is_watched() const override;

  /// Writes that a crash now would forget.
  std::uint64_t unflushed() const;
  /// The process dies and the store is opened again: of the unflushed writes only the first `kept`
  /// are there (a background flush may have got so far). No snapshot may be alive.
  void crash(std::uint64_t kept = 0);
  /// From now on writes and flushes fail with this, until crash(), or until resume after mend().
  void break_with(schemas::Error error);
  void mend();

 private:
  class Snapshot;
  using Versions = std::map<std::uint64_t, std::optional<std::string>>;
  struct Row {
    std::string key;
    std::string value;
  };

  static const std::optional<std::string>* find(const Versions& versions, std::uint64_t at);
  std::optional<std::string> get_at(std::string_view key, std::uint64_t at) const;
  std::optional<Row> first_at(std::string_view from, bool inclusive, std::string_view to,
                              std::uint64_t at) const;
  std::optional<Row> last_at(std::string_view from, std::string_view to, std::uint64_t at) const;
  void prune(Versions& versions);
  void forget_unflushed(std::uint64_t kept);

  mutable std::mutex mutex_;  // never held over a visit
  std::map<std::string, Versions, std::less<>> rows_;
  mutable std::multiset<std::uint64_t> snapshots_;
  std::uint64_t written_ = 0;
  std::uint64_t flushing_ = 0;  // asked for by flush_soon
  std::uint64_t flushed_ = 0;
  std::optional<schemas::Error> broken_;
  bool mended_ = false;
  bool holding_ = false;
};

}  // namespace projections
