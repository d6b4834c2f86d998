#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "api/rows_directory.h"
#include "manager/core.h"

namespace api {

/// A serving process takes over rows that were made beside its own, once they are there: another
/// thread folds what they lack, the core thread the last of it, and puts them in the place of its
/// own between two commands, if they are exactly as far. Who reads then reads the new ones; a
/// snapshot stays what it is, and with the last of them the old rows go. Answers, streams and marks
/// notice nothing. What does not work out now is tried again later.
///
/// Core thread, but for what says otherwise.
class RowsTakeover {
 public:
  struct Parts {
    RowsDirectory& directory;
    RowsDirectory::Whole serving;
    projections::ReadStore& rows;
    eventstore::Log& log;
    manager::Core& core;
    boost::asio::any_io_executor core_thread;
    boost::asio::thread_pool& folds;  // joined before the core thread, and before this ends
  };
  explicit RowsTakeover(Parts parts);

  /// Looks whether there are newer ones. About every second.
  void tick();
  /// Which rows serve (RowsDirectory::Whole). Any thread.
  std::uint32_t number() const { return number_; }
  /// What was being made at the last tick. Any thread.
  std::vector<RowsBuild> builds() const;
  /// Gives up what is under way: it is begun again at the next start. Any thread.
  void stop() { stopping_ = true; }

 private:
  /// Rows that follow those that serve.
  class Next;
  using NextPtr = std::shared_ptr<Next>;
  projections::Projector::Ends ends() const;
  bool fits() const;
  void follow(const RowsDirectory::Whole& newest);
  schemas::Result<NextPtr> fold_close(const RowsDirectory::Whole& newest);
  schemas::Result<void> take_over(const NextPtr& next);
  void try_later(const std::string& path, const schemas::Error& why);
  void let_go();

  const Parts parts_;
  std::atomic<std::uint32_t> number_;
  std::atomic<bool> stopping_ = false;
  bool busy_ = false;
  eventstore::MonotonicTime next_try_{};
  std::chrono::seconds pause_{1};
  NextPtr former_;  // until nobody reads it any more
  mutable std::mutex mutex_;
  std::vector<RowsBuild> builds_;
};

}  // namespace api
