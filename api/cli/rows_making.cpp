#include "api/cli/rows_making.h"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "api/cli/offline.h"
#include "api/cli/progress.h"
#include "api/kafka_settings.h"
#include "eventstore/kafka_log.h"

namespace api::cli {
namespace {

using projections::ReadStore;
using schemas::Result;
using Counts = projections::Projector::CaughtUp;
using namespace std::chrono_literals;

/// A server that serves takes over what is left then.
constexpr std::uint64_t close_events = 2'000;
constexpr auto taken_over_within = 30s;

std::uint64_t records_in(const eventstore::Log& log) {
  std::uint64_t records = 0;
  for (const auto id : log.partitions()) records += log.durable_end(id);
  return records;
}

/// Folds into rows, in one pass or several, and shows how far it is.
class Folding {
 public:
  /// Null: nobody else is to know.
  explicit Folding(RowsDirectory::Making* making) : making_(making) {}

  Result<Counts> pass(eventstore::Log& log, const eventstore::Topics& topics, ReadStore& rows);
  Folded folded(const ReadStore& rows) const;

 private:
  void tell(std::uint64_t records, std::uint64_t total, std::uint64_t events);
  double seconds() const {
    const auto took = eventstore::system_clock().monotonic() - begun_;
    return std::chrono::duration<double>(took).count();
  }

  RowsDirectory::Making* const making_;
  ProgressLine line_{"fold", "events"};
  const eventstore::MonotonicTime begun_ = eventstore::system_clock().monotonic();
  eventstore::MonotonicTime tell_next_{};
  Counts counts_;
  std::size_t frozen_ = 0;
};

Result<Counts> Folding::pass(eventstore::Log& log, const eventstore::Topics& topics,
                             ReadStore& rows) {
  const auto total = records_in(log);
  std::uint64_t before = 0;
  for (const auto id : log.partitions()) before += projections::folded_of(rows, id).next_offset;
  projections::Progress progress;
  projections::Projector projector(rows, progress, &topics);
  auto done = projector.catch_up(log, [&](const Counts& so_far) {
    const auto events = counts_.events + so_far.events;
    const auto records = before + so_far.records;
    line_.show(
        {.done = events, .fraction = static_cast<double>(records) / static_cast<double>(total)});
    tell(records, total, events);
  });
  if (!done) return done;
  constexpr std::size_t piece_rows = 10'000;
  for (bool built = false; !built;) {
    tell(total, total, counts_.events + done->events);
    auto piece = projector.build_indexes(piece_rows);
    if (!piece) return std::unexpected(std::move(piece).error());
    built = *piece;
  }
  if (auto flushed = rows.flush(); !flushed) return std::unexpected(std::move(flushed).error());
  counts_.records += done->records;
  counts_.events += done->events;
  frozen_ = progress.frozen().size();
  return done;
}

void Folding::tell(std::uint64_t records, std::uint64_t total, std::uint64_t events) {
  const auto now = eventstore::system_clock().monotonic();
  if (making_ == nullptr || now < tell_next_) return;
  tell_next_ = now + 500ms;
  const auto rate = static_cast<double>(events) / std::max(seconds(), 0.001);
  making_->tell({.version = rows_version,
                 .records = records,
                 .records_total = total,
                 .events_per_second = static_cast<std::uint64_t>(rate),
                 .told = eventstore::system_clock().wall()});
}

Folded Folding::folded(const ReadStore& rows) const {
  return {.hash = projections::state_hash(rows),
          .counts = counts_,
          .frozen = frozen_,
          .seconds = seconds()};
}

bool are_of_another_log(const schemas::Error& error) {
  return error.code == schemas::ErrorCode::lost_mark;
}

/// Of rows that somebody relies on.
std::unexpected<Stop> stop_folding(const schemas::Error& error) {
  if (!are_of_another_log(error)) return stop(error);
  return stop(Exit::failed, error.detail + "; run `tidemark projections rebuild`");
}

/// Where new rows are made, and from what.
class Rebuild {
 public:
  explicit Rebuild(const Settings& settings)
      : settings_(settings), directory_(eventstore::posix_files(), settings.data + "/rows") {}

  Step<Folded> run();

 private:
  Step<void> open_making();
  Step<void> open_rows();
  /// How many events it folded; empty: it begins again.
  using Passed = Step<std::optional<std::uint64_t>>;
  Passed pass(Folding& folding);
  Passed pass(Folding& folding, eventstore::Log& log, const eventstore::Topics& topics);
  Step<void> check_space() const;
  std::unexpected<Stop> give_up(const schemas::Error& error);
  void wait_until_taken_over(const RowsDirectory::Whole& made);

  const Settings& settings_;
  RowsDirectory directory_;
  bool alone_ = false;  // no server is running, nor will be
  std::optional<DataDirectory> lock_;
  std::unique_ptr<OfflineData> stopped_;
  std::optional<RowsDirectory::Making> making_;
  std::unique_ptr<ReadStore> rows_;
  bool began_again_ = false;
};

Step<Folded> Rebuild::run() {
  if (auto opened = open_making(); !opened) return std::unexpected(opened.error());
  if (auto room = check_space(); !room) return std::unexpected(room.error());
  if (auto opened = open_rows(); !opened) return std::unexpected(opened.error());
  Folding folding(&*making_);
  // Beside a server that writes as fast as this folds, no pass ends closer than the one before.
  for (std::optional<std::uint64_t> before, events; !events || *events >= close_events;) {
    auto passed = pass(folding);
    if (!passed) return std::unexpected(std::move(passed).error());
    before = std::exchange(events, *passed);
    if (before && events && *events >= *before) break;
  }
  auto folded = folding.folded(*rows_);
  rows_.reset();
  auto whole = making_->finish();
  if (!whole) return stop(whole.error());
  if (!alone_) wait_until_taken_over(*whole);
  if (alone_) {
    if (auto gone = directory_.destroy_older(whole->number); !gone) return stop(gone.error());
  }
  return folded;
}

/// The server's lock, while nobody has it; and in any case that of whoever makes rows.
Step<void> Rebuild::open_making() {
  const bool kafka = log_is_on_kafka(settings_);
  const auto missing = kafka ? DataDirectory::Missing::refuse_rows : DataDirectory::Missing::refuse;
  auto directory = DataDirectory::open(eventstore::posix_files(), settings_.data, missing);
  if (!directory && directory.error().code != schemas::ErrorCode::in_use) {
    return stop(directory.error());
  }
  auto making = directory_.make();
  if (!making) return stop(making.error());
  making_.emplace(std::move(*making));
  if (!directory) {
    // Whoever serves goes first.
    std::ignore = ::nice(19);
    return {};
  }
  alone_ = true;
  if (kafka) {
    lock_.emplace(std::move(*directory));
    return {};
  }
  auto data = open_data(std::move(*directory));
  if (!data) return std::unexpected(std::move(data).error());
  stopped_ = std::move(*data);
  return {};
}

/// A disk that is filled by rows nobody needs yet would stop the server beside.
Step<void> Rebuild::check_space() const {
  constexpr std::uint64_t spare_bytes = std::uint64_t{256} << 20;
  std::uint64_t needed = spare_bytes;
  for (const auto& whole : directory_.whole()) {
    needed = std::max(needed, spare_bytes + RowsDirectory::size_of(whole.path));
  }
  const auto begun = RowsDirectory::size_of(making_->path());
  std::error_code unknown;
  const auto space = std::filesystem::space(settings_.data, unknown);
  if (unknown || space.available + begun >= needed) return {};
  return stop(Exit::failed,
              fmt::format("new rows beside those that are there take about {} MiB, and {} has {} "
                          "MiB left: free some space",
                          needed >> 20, settings_.data, space.available >> 20));
}

/// What was begun goes where it is in the way, or of no use.
std::unexpected<Stop> Rebuild::give_up(const schemas::Error& error) {
  if (error.code == schemas::ErrorCode::disk_full) {
    rows_.reset();
    std::ignore = making_->begin_again();
  }
  return stop(error);
}

Step<void> Rebuild::open_rows() {
  auto rows = projections::open_rocks_store(making_->path());
  if (!rows) {
    // Nobody relies on what an interrupted one left.
    if (auto gone = making_->begin_again(); !gone) return stop(gone.error());
    rows = projections::open_rocks_store(making_->path());
  }
  if (!rows) return give_up(rows.error());
  rows_ = std::move(*rows);
  if (auto full = rows_->broken()) return give_up(*full);
  return {};
}

Rebuild::Passed Rebuild::pass(Folding& folding) {
  if (stopped_) return pass(folding, *stopped_->log, stopped_->topics);
  auto beside = open_beside(
      settings_, [this](schemas::LogId log) { return projections::folded_of(*rows_, log); });
  if (!beside) return std::unexpected(std::move(beside).error());
  return pass(folding, *(*beside)->log, (*beside)->topics);
}

Rebuild::Passed Rebuild::pass(Folding& folding, eventstore::Log& log,
                              const eventstore::Topics& topics) {
  auto done = folding.pass(log, topics, *rows_);
  if (done && done->stopped > 0) {
    return stop(
        Exit::damaged,
        "some of the log cannot be read, the lines above say where: new rows would have less "
        "than those that are there, which stay; see `tidemark log verify`");
  }
  if (done) return done->events;
  if (!are_of_another_log(done.error()) || began_again_) return give_up(done.error());
  fmt::print(
      stderr,
      "what was begun before is of another log, or of an end that was lost: beginning again\n");
  began_again_ = true;
  rows_.reset();
  if (auto gone = making_->begin_again(); !gone) return stop(gone.error());
  if (auto opened = open_rows(); !opened) return std::unexpected(opened.error());
  return std::nullopt;
}

void Rebuild::wait_until_taken_over(const RowsDirectory::Whole& made) {
  const auto older_are_open = [&] {
    const auto whole = directory_.whole();
    return std::ranges::any_of(whole, [&](const RowsDirectory::Whole& one) {
      return one.number < made.number && projections::is_open(one.path);
    });
  };
  if (!older_are_open()) {
    std::ignore = directory_.destroy_older(made.number);
    fmt::print(stderr, "the next start of this version of the program serves the new rows\n");
    return;
  }
  const auto until = eventstore::system_clock().monotonic() + taken_over_within;
  while (eventstore::system_clock().monotonic() < until) {
    std::this_thread::sleep_for(50ms);
    if (older_are_open()) continue;
    fmt::print(stderr, "the server serves the new rows\n");
    return;
  }
  fmt::print(stderr,
             "the server has not let go of the rows before in {} s; it may still do so, its log "
             "says why, and its next start serves the new ones\n",
             taken_over_within.count());
}

}  // namespace

Step<Folded> catch_up_rows(const SettingFlags& flags) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  const auto& settings = configuration->settings;
  const bool kafka = log_is_on_kafka(settings);
  auto directory = lock_data(
      flags, kafka ? DataDirectory::Missing::refuse_rows : DataDirectory::Missing::refuse);
  if (!directory) return std::unexpected(std::move(directory).error());
  const auto fold = [](eventstore::Log& log, const eventstore::Topics& topics,
                       ReadStore& rows) -> Step<Folded> {
    Folding folding(nullptr);
    auto done = folding.pass(log, topics, rows);
    if (!done) return stop_folding(done.error());
    return folding.folded(rows);
  };
  if (kafka) {
    auto rows = directory->open_rows();
    if (!rows) return stop(rows.error());
    auto log = open_beside(
        settings, [&](schemas::LogId id) { return projections::folded_of(*rows->store, id); });
    if (!log) return std::unexpected(std::move(log).error());
    return fold(*(*log)->log, (*log)->topics, *rows->store);
  }
  auto data = open_data(std::move(*directory));
  if (!data) return std::unexpected(std::move(data).error());
  auto rows = (*data)->directory.open_rows();
  if (!rows) return stop(rows.error());
  return fold(*(*data)->log, (*data)->topics, *rows->store);
}

Step<Folded> rebuild_rows(const SettingFlags& flags) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  return Rebuild(configuration->settings).run();
}

std::vector<ListedRows> listed(const RowsDirectory& directory) {
  std::vector<ListedRows> rows;
  const auto whole = directory.whole();
  const auto builds = directory.builds();
  for (const auto& [name, size] : directory.entries()) {
    std::string state = "of another version of the program";
    if (name.ends_with(".gone")) state = "being erased";
    for (const auto& one : whole) {
      if (!one.path.ends_with("/" + name)) continue;
      state = &one == &whole.back() ? "serves" : "served before; goes soon";
    }
    const auto building = std::ranges::find_if(builds, [&](const RowsBuild& build) {
      return name == fmt::format("{}.building", build.version);
    });
    if (building != builds.end() && building->interrupted(eventstore::system_clock().wall())) {
      state = fmt::format("interrupted at {} of {} records; `projections rebuild` goes on",
                          grouped(building->records), grouped(building->records_total));
    } else if (building != builds.end()) {
      state = fmt::format("being made: {} of {} records, {} events/s", grouped(building->records),
                          grouped(building->records_total), grouped(building->events_per_second));
    } else if (name.ends_with(".building")) {
      state = "being made";
    }
    rows.push_back({name, size, std::move(state)});
  }
  return rows;
}

}  // namespace api::cli
