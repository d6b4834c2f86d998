#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "eventstore/journal_walk.h"
#include "schemas/result.h"

namespace eventstore::journal {

/// Why a journal cannot be written any more; the first reason stays. Any thread.
class Health {
 public:
  void turn_read_only(schemas::Error error);
  bool writable() const { return !read_only_.load(std::memory_order_acquire); }
  std::optional<schemas::Error> reason() const;

 private:
  std::atomic<bool> read_only_ = false;
  mutable std::mutex mutex_;
  std::optional<schemas::Error> error_;
};

/// What a user reads about damage, and about a partition that it stops.
schemas::Error damage_error(const std::string& path, const Damage& damage);

}  // namespace eventstore::journal
