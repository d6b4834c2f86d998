#include "eventstore/journal_space.h"

#include <algorithm>
#include <pthread.h>
#include <utility>

namespace eventstore::journal {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

SpaceAhead::SpaceAhead(FileSystem& files, Options options, std::uint64_t active_size)
    : files_(files),
      options_(std::move(options)),
      active_size_(active_size),
      next_size_(std::min(2 * active_size, options_.segment_size_max)) {
  // What a crash left half prepared is worth less than the doubt about it.
  files_.remove(options_.path);
  if (options_.drive == Drive::thread) thread_ = std::thread([this] { run(); });
}

SpaceAhead::~SpaceAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  files_.remove(options_.path);
}

void SpaceAhead::used(std::uint64_t size_bytes) {
  if (options_.drive == Drive::inside_take) return;
  const std::lock_guard lock(mutex_);
  // In shares of the whole, because the next segment may be larger.
  const double share = 2.0 * static_cast<double>(size_bytes) / static_cast<double>(active_size_);
  const auto wanted = share >= 1.0
                          ? next_size_
                          : static_cast<std::uint64_t>(share * static_cast<double>(next_size_));
  const bool enough = wanted >= wanted_ + options_.piece_size || wanted == next_size_;
  if (wanted <= wanted_ || !enough) return;
  wanted_ = wanted;
  if (!error_) changed_.notify_all();
}

Result<SpaceAhead::Prepared> SpaceAhead::take(std::uint64_t size_min) {
  std::unique_lock lock(mutex_);
  next_size_ = std::max(next_size_, size_min);
  wanted_ = next_size_;
  error_.reset();
  changed_.notify_all();
  while (zeroed_ < next_size_ && !error_) {
    if (options_.drive == Drive::inside_take) {
      zero_one_piece(lock);
    } else {
      changed_.wait(lock);
    }
  }
  if (error_) return fail(*error_);
  Prepared prepared{std::move(file_), next_size_};
  file_ = nullptr;
  active_size_ = next_size_;
  next_size_ = std::min(2 * active_size_, options_.segment_size_max);
  zeroed_ = wanted_ = 0;
  return prepared;
}

void SpaceAhead::put_back(Prepared prepared) {
  const std::lock_guard lock(mutex_);
  file_ = std::move(prepared.file);
  next_size_ = wanted_ = zeroed_ = prepared.size_bytes;
}

void SpaceAhead::later(std::function<void()> chore) {
  if (options_.drive == Drive::inside_take) return chore();
  const std::lock_guard lock(mutex_);
  chores_.push_back(std::move(chore));
  changed_.notify_all();
}

bool SpaceAhead::zeroing_due() const {
  return zeroed_ < wanted_ && !error_;
}

void SpaceAhead::run() {
  ::pthread_setname_np(::pthread_self(), "journal-space");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || zeroing_due() || !chores_.empty(); });
    if (stopping_) return;
    if (zeroing_due()) {
      zero_one_piece(lock);
      continue;
    }
    auto chores = std::exchange(chores_, {});
    lock.unlock();
    for (const auto& chore : chores) chore();
    lock.lock();
  }
}

void SpaceAhead::zero_one_piece(std::unique_lock<std::mutex>& lock) {
  const auto at = zeroed_;
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(options_.piece_size, next_size_ - at));
  lock.unlock();
  auto done = write_piece(at, size);
  lock.lock();
  if (done) {
    zeroed_ = at + size;
  } else {
    error_ = std::move(done).error();
  }
  changed_.notify_all();
}

/// A piece that failed is written again as a whole before it is synced again.
Result<void> SpaceAhead::write_piece(std::uint64_t at, std::size_t size_bytes) {
  if (file_ == nullptr) {
    if (auto gone = files_.remove(options_.path);
        !gone && gone.error().code != ErrorCode::not_found) {
      return gone;
    }
    auto created = files_.open(options_.path, FileSystem::Open::create_new);
    if (!created) return fail(std::move(created).error());
    file_ = std::move(*created);
  }
  auto written = write_zeros(*file_, at, at + size_bytes);
  if (!written) return written;
  return file_->sync();
}

}  // namespace eventstore::journal
