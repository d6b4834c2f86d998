#include "api/rows_takeover.h"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

namespace api {

using projections::guarded;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

/// What the core thread folds at most while commands wait: some milliseconds.
constexpr std::uint64_t close_events = 500;
constexpr std::size_t index_piece_rows = 10'000;
/// Where commands come faster than this, the core thread folds what is left all the same.
constexpr int passes_max = 50;
constexpr std::chrono::minutes pause_max{5};

}  // namespace

class RowsTakeover::Next {
 public:
  Next(RowsDirectory::Whole place, std::unique_ptr<projections::ReadStore> store,
       const eventstore::Topics& topics)
      : place_(std::move(place)),
        store_(std::move(store)),
        projector_(*store_, progress_, &topics) {}

  const RowsDirectory::Whole& place() const { return place_; }
  projections::ReadStore& store() { return *store_; }
  /// Answers how many events it folded.
  Result<std::uint64_t> fold(eventstore::Log& log, const projections::Projector::Ends& ends) {
    auto done = begun_ ? projector_.follow(log, ends) : projector_.catch_up(log, {}, ends);
    begun_ = true;
    if (!done) return fail(std::move(done).error());
    if (done->stopped > 0) return fail(ErrorCode::read_only, "some of the log cannot be read");
    if (auto broken = store_->broken()) return fail(std::move(*broken));
    return done->events;
  }
  /// Whether nothing is left to be made of declared indexes.
  Result<bool> build_indexes() { return projector_.build_indexes(index_piece_rows); }

 private:
  const RowsDirectory::Whole place_;
  std::unique_ptr<projections::ReadStore> store_;
  projections::Progress progress_;  // nobody waits for it
  projections::Projector projector_;
  bool begun_ = false;
};

RowsTakeover::RowsTakeover(Parts parts)
    : parts_(std::move(parts)), number_(parts_.serving.number) {}

std::vector<RowsBuild> RowsTakeover::builds() const {
  std::lock_guard lock(mutex_);
  return builds_;
}

bool RowsTakeover::fits() const {
  return !stopping_ && !parts_.rows.broken() && !parts_.log.read_only();
}

/// How far the rows are that serve.
projections::Projector::Ends RowsTakeover::ends() const {
  projections::Projector::Ends ends;
  for (const auto log : parts_.log.partitions()) {
    ends.emplace(log, parts_.core.progress().applied_end(log));
  }
  return ends;
}

void RowsTakeover::tick() {
  auto builds = parts_.directory.builds();
  {
    std::lock_guard lock(mutex_);
    builds_ = std::move(builds);
  }
  if (busy_ || !fits()) return;
  if (former_) return let_go();
  if (eventstore::system_clock().monotonic() < next_try_) return;
  const auto whole = parts_.directory.whole();
  if (!whole.empty() && whole.back().number > number_) follow(whole.back());
}

void RowsTakeover::follow(const RowsDirectory::Whole& newest) {
  busy_ = true;
  boost::asio::post(parts_.folds, [this, newest] {
    auto next = guarded([&] { return fold_close(newest); });
    boost::asio::post(parts_.core_thread, [this, newest, next = std::move(next)]() mutable {
      busy_ = false;
      if (stopping_) return;
      auto taken = next ? guarded([&] { return take_over(*next); }) : fail(next.error());
      if (!taken) try_later(newest.path, taken.error());
      // Closing waits for the disk.
      if (!taken && next) boost::asio::post(parts_.folds, [next = std::move(*next)] {});
    });
  });
}

/// Until next to nothing is missing.
Result<RowsTakeover::NextPtr> RowsTakeover::fold_close(const RowsDirectory::Whole& newest) {
  auto store = projections::open_rocks_store(newest.path);
  if (!store) return fail(std::move(store).error());
  auto next = std::make_shared<Next>(newest, std::move(*store), parts_.core.topics());
  for (int pass = 0; pass < passes_max && !stopping_; ++pass) {
    auto events = next->fold(parts_.log, ends());
    if (!events) return fail(std::move(events).error());
    for (bool built = false; !built && !stopping_;) {
      auto piece = next->build_indexes();
      if (!piece) return fail(std::move(piece).error());
      built = *piece;
    }
    if (*events < close_events) break;
  }
  return next;
}

Result<void> RowsTakeover::take_over(const NextPtr& next) {
  auto level = next->fold(parts_.log, ends());
  if (!level) return fail(std::move(level).error());
  if (!fits()) return fail(ErrorCode::read_only, "the rows that serve, or the log, stand still");
  if (!projections::can_replace(parts_.rows, next->store())) {
    return fail(ErrorCode::lost_mark, "they are not what the rows that serve are");
  }
  parts_.rows.swap_with(next->store());
  parts_.core.go_on_with_other_rows();
  number_ = next->place().number;
  former_ = next;
  pause_ = std::chrono::seconds{1};
  spdlog::info("new rows serve path={}", next->place().path);
  return {};
}

void RowsTakeover::try_later(const std::string& path, const schemas::Error& why) {
  next_try_ = eventstore::system_clock().monotonic() + pause_;
  spdlog::error("new rows are not taken over yet path={} again_in_seconds={} detail=\"{}\"", path,
                pause_.count(), why.detail);
  pause_ = std::min<std::chrono::seconds>(2 * pause_, pause_max);
}

void RowsTakeover::let_go() {
  if (former_->store().is_watched()) return;
  busy_ = true;
  boost::asio::post(parts_.folds, [this, former = std::move(former_)]() mutable {
    former.reset();
    if (auto gone = parts_.directory.destroy_older(number_); !gone) {
      spdlog::warn("old rows stay detail=\"{}\"", gone.error().detail);
    }
    boost::asio::post(parts_.core_thread, [this] { busy_ = false; });
  });
}

}  // namespace api
