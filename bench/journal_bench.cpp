// What does the journal cost, next to a bare write and sync on the same disk?
//
// Records are real batches of 256 bytes with chain and CRC, as the event store submits them. Every
// figure is printed with its setting and, where there is one, the limit measured in the same run.
//
//     journal_bench [burst] [saturated] [topics] [sustained] [scan] [start]
//                   [--directory DIR] [--seconds N] [--gigabytes N]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "eventstore/journal.h"
#include "schemas/batch.h"
#include "schemas/crypto.h"

namespace {

using namespace eventstore;
using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr std::size_t payload_size = 256;
constexpr std::size_t record_size = 96 + payload_size;

struct Setting {
  std::string directory = (std::filesystem::temp_directory_path() / "journal-bench").string();
  int seconds = 60;
  int gigabytes = 1;
};

double seconds_since(Clock::time_point begin) {
  return duration<double>(Clock::now() - begin).count();
}

/// A batch of exactly 256 bytes.
Payload make_payload() {
  using namespace schemas;
  const Uuid id = make_uuid(Time{std::chrono::milliseconds(1)});
  for (std::size_t size = 1; size < 200; ++size) {
    const std::string text(size, 'x');
    const BatchHead head{
        .organization = OrganizationId(id), .recorded = Time{}, .command = CommandId(id)};
    const EventDraft draft{.id = EventId(id),
                           .type = "t",
                           .kind = "k",
                           .entity = {{}, "e"},
                           .version = Version{1},
                           .occurred = Time{},
                           .data = Json{text}};
    auto built = build_batch(head, {&draft, 1});
    if (built.bytes.size() == payload_size) return Payload(built.owner, built.bytes);
    if (built.bytes.size() > payload_size) break;
  }
  std::abort();
}

/// Makes the records of one partition, each on top of the one before it.
class Producer {
 public:
  Producer(LogId log, const PartitionState& state, Payload payload)
      : log_(log),
        state_(state),
        payload_(std::move(payload)),
        crc_(schemas::crc32c(payload_.bytes())) {}

  Append next() {
    state_.chain = next_chain(state_.chain, payload_.bytes());
    return {log_, state_.next_offset++,
            RecordHead{.length = payload_size,
                       .epoch = state_.epoch,
                       .sequence = state_.sequence++,
                       .chain = state_.chain,
                       .payload_crc = crc_},
            payload_};
  }

 private:
  LogId log_;
  PartitionState state_;
  Payload payload_;
  std::uint32_t crc_;
};

/// Counts, and keeps when each group became durable.
class Meter final : public LogObserver {
 public:
  struct Mark {
    Clock::time_point at;
    std::size_t records;  // durable in all
  };

  void on_durable(Group group) override {
    const std::lock_guard lock(mutex_);
    durable_ += group->size();
    marks_.push_back({Clock::now(), durable_});
    changed_.notify_all();
  }
  void on_failure(AppendFailure failure) override {
    fmt::print(stderr, "append failed: {}\n", failure.error.detail);
    std::abort();
  }

  void wait_for(std::size_t records) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_ >= records; });
  }
  std::vector<Mark> marks() {
    const std::lock_guard lock(mutex_);
    return marks_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t durable_ = 0;
  std::vector<Mark> marks_;
};

struct Options {
  std::uint64_t first_segment = 4 * 1024 * 1024;
  std::uint64_t segment_max = 256 * 1024 * 1024;
  int topics = 1;
  bool keep = false;
};

/// A journal in the setting's directory with some topics of 64 partitions, and a producer for each
/// partition.
class Bench {
 public:
  Bench(const Setting& setting, const Options& options) {
    if (!options.keep) std::filesystem::remove_all(setting.directory);
    auto opened = Journal::open({.directory = setting.directory,
                                 .first_segment_size = options.first_segment,
                                 .segment_size_max = options.segment_max},
                                meter);
    if (!opened) {
      fmt::print(stderr, "{}\n", opened.error().detail);
      std::abort();
    }
    journal = std::move(*opened);
    const auto payload = make_payload();
    for (std::uint16_t topic = 1; topic <= options.topics; ++topic) {
      (void)journal->open_topic({TopicId{topic}, fmt::format("t{}", topic), 64});
      for (std::uint16_t i = 0; i < 64; ++i) {
        const LogId log{TopicId{topic}, i};
        producers_.emplace_back(log, journal->state(log), payload);
      }
    }
  }

  std::vector<Append> some(std::size_t count) {
    std::vector<Append> records;
    records.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      records.push_back(producers_[turn_].next());
      turn_ = (turn_ + 1) % producers_.size();
    }
    return records;
  }

  Meter meter;
  std::unique_ptr<Journal> journal;

 private:
  std::vector<Producer> producers_;
  std::size_t turn_ = 0;
};

/// Open loop: submits at a fixed rate whatever happens, and measures from when a record was due.
struct Latency {
  double rate;
  microseconds p50, p99, max;
};

Latency open_loop(Bench& bench, double rate, double seconds,
                  std::vector<std::vector<Append>> prepared = {}) {
  const auto slice = microseconds(100);
  const auto per_slice = static_cast<std::size_t>(rate * duration<double>(slice).count());
  const auto slices = static_cast<std::size_t>(seconds / duration<double>(slice).count());
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < slices; ++i) {
    auto records = i < prepared.size() ? std::move(prepared[i]) : bench.some(per_slice);
    std::this_thread::sleep_until(begin + i * slice);
    bench.journal->append(std::move(records));
  }
  bench.meter.wait_for(slices * per_slice);
  const auto marks = bench.meter.marks();
  std::vector<std::int64_t> waits;  // of each slice's last record, which waits longest
  std::size_t mark = 0;
  for (std::size_t i = 0; i < slices; ++i) {
    while (marks[mark].records < (i + 1) * per_slice) ++mark;
    waits.push_back((marks[mark].at - (begin + i * slice)).count());
  }
  std::ranges::sort(waits);
  const auto at = [&](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(waits.size() - 1));
    return std::chrono::duration_cast<microseconds>(nanoseconds(waits[index]));
  };
  const double took = duration<double>(marks.back().at - begin).count();
  return {static_cast<double>(slices * per_slice) / took, at(0.5), at(0.99), at(1)};
}

void burst(const Setting& setting) {
  const double rate = 1e6;
  const double seconds = 0.2;
  for (int round = 0; round < 3; ++round) {
    Bench bench(setting, {.first_segment = 256u << 20, .segment_max = 1u << 20});
    std::vector<std::vector<Append>> prepared;
    for (int i = 0; i < 2000; ++i) prepared.push_back(bench.some(100));
    const auto got = open_loop(bench, rate, seconds, std::move(prepared));
    fmt::print(
        "burst: 0.2 s at 1 M records/s into prepared space, open loop: {:.0f} records/s, "
        "p50 {} us, p99 {} us, max {} us, {:.0f} records a commit (aim: 1 M/s, p99 1000 us)\n",
        got.rate, got.p50.count(), got.p99.count(), got.max.count(),
        rate * seconds / static_cast<double>(bench.meter.marks().size()));
  }
}

/// Closed loop: always several writes' worth of records are waiting. They are made beforehand, for
/// making them (a SHA-256 each, on the core thread) would take longer than writing them.
struct Saturated {
  double rate;
  double per_commit;
};

Saturated saturate(const Setting& setting, int topics, double seconds) {
  Bench bench(setting, {.first_segment = 1u << 30, .segment_max = 1u << 20, .topics = topics});
  constexpr std::size_t waiting_max = 16 * 1024;
  constexpr std::size_t piece = 512;
  constexpr std::size_t pieces = ((1u << 30) - (8u << 20)) / (piece * record_size);
  std::vector<std::vector<Append>> prepared;
  prepared.reserve(pieces);
  for (std::size_t i = 0; i < pieces; ++i) prepared.push_back(bench.some(piece));
  std::size_t submitted = 0;
  const auto begin = Clock::now();
  for (auto& records : prepared) {
    if (seconds_since(begin) >= seconds) break;
    bench.journal->append(std::move(records));
    submitted += piece;
    if (submitted > waiting_max) bench.meter.wait_for(submitted - waiting_max);
  }
  bench.meter.wait_for(submitted);
  const auto took = seconds_since(begin);
  return {static_cast<double>(submitted) / took,
          static_cast<double>(submitted) / static_cast<double>(bench.meter.marks().size())};
}

/// What the disk and the kernel allow: the same bytes, nothing else.
double bare_loop(const Setting& setting, std::size_t write_size, double seconds) {
  std::filesystem::create_directories(setting.directory);
  const std::string path = setting.directory + "/bare";
  std::filesystem::remove(path);
  auto file = posix_files().open(path, FileSystem::Open::create_new);
  const std::uint64_t size = 1u << 30;
  (void)write_zeros(**file, 0, size);
  (void)(*file)->sync();
  const std::vector<std::uint8_t> bytes(write_size, 0x5a);
  std::uint64_t at = 0;
  const auto begin = Clock::now();
  while (seconds_since(begin) < seconds && at + write_size < size) {
    (void)(*file)->write(at, bytes);
    (void)(*file)->sync();
    at += write_size;
  }
  const auto took = seconds_since(begin);
  std::filesystem::remove(path);
  return static_cast<double>(at) / static_cast<double>(record_size) / took;
}

void saturated(const Setting& setting) {
  for (int round = 0; round < 3; ++round) {
    const auto journal = saturate(setting, 1, 1.5);
    const auto write_size = static_cast<std::size_t>(journal.per_commit) * record_size;
    const double bare = bare_loop(setting, write_size, 1.5);
    fmt::print(
        "saturated: {:.0f} records/s at {:.0f} records ({} KiB) a commit; bare write and sync "
        "loop of the same size: {:.0f} records/s; ratio {:.2f} (aim 0.90)\n",
        journal.rate, journal.per_commit, write_size / 1024, bare, journal.rate / bare);
  }
}

void topics(const Setting& setting) {
  for (int round = 0; round < 2; ++round) {
    double one = 0;
    for (const int count : {1, 3, 5}) {
      const auto got = saturate(setting, count, 1);
      if (count == 1) one = got.rate;
      fmt::print(
          "topics: {} with 64 partitions each: {:.0f} records/s, {:.2f} of one topic (aim 1)\n",
          count, got.rate, got.rate / one);
    }
  }
}

void sustained(const Setting& setting) {
  Bench bench(setting, {});
  const double rate = 450e3;
  const auto got = open_loop(bench, rate, setting.seconds);
  fmt::print(
      "sustained: {} s at {:.0f} records/s offered, zeroing counted, open loop: {:.0f} "
      "records/s, p50 {} us, p99 {} us, max {} us (aim 400,000/s)\n",
      setting.seconds, rate, got.rate, got.p50.count(), got.p99.count(), got.max.count());
}

void fill(const Setting& setting) {
  Bench bench(setting, {});
  const auto records = static_cast<std::size_t>(setting.gigabytes) * 1'000'000'000 / record_size;
  std::size_t submitted = 0;
  while (submitted < records) {
    bench.journal->append(bench.some(1000));
    submitted += 1000;
    if (submitted > 16'000) bench.meter.wait_for(submitted - 16'000);
  }
  bench.meter.wait_for(submitted);
}

void scan(const Setting& setting) {
  fill(setting);
  Bench bench(setting, {.keep = true});
  for (int round = 0; round < 3; ++round) {
    std::vector<ReadFrom> from;
    for (const auto& log : bench.journal->partitions()) from.push_back({log, 0});
    std::vector<PartitionState> states(64);
    auto cursor = bench.journal->read(from);
    std::size_t count = 0;
    const auto begin = Clock::now();
    while (true) {
      auto record = (*cursor)->next();
      if (!record || !*record) break;
      auto& chain = states[(*record)->log.partition].chain;
      const auto& got = **record;
      chain = next_chain(chain, got.payload.bytes());
      if (chain != got.head.chain) std::abort();
      ++count;
    }
    const auto took = seconds_since(begin);
    fmt::print(
        "scan: {} records in {:.2f} s with CRC and chain check, one thread: {:.0f} records/s, "
        "{:.0f} MB/s (aim 2,000,000/s)\n",
        count, took, static_cast<double>(count) / took,
        static_cast<double>(count * record_size) / took / 1e6);
  }
}

void start(const Setting& setting) {
  fill(setting);  // ends without close: as if killed
  Meter meter;
  const auto begin = Clock::now();
  auto journal = Journal::open({.directory = setting.directory}, meter);
  const auto took = seconds_since(begin);
  fmt::print(
      "start: after a kill with {} GB of log: {:.3f} s until it can be read and written "
      "(aim 1 s), {} partitions\n",
      setting.gigabytes, took, journal ? (*journal)->partitions().size() : 0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::pair<std::string, void (*)(const Setting&)>> questions = {
      {"burst", burst},         {"saturated", saturated}, {"topics", topics},
      {"sustained", sustained}, {"scan", scan},           {"start", start}};
  Setting setting;
  std::vector<std::string> asked;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--directory" && has_value) {
      setting.directory = argv[++i];
    } else if (word == "--seconds" && has_value) {
      setting.seconds = std::atoi(argv[++i]);
    } else if (word == "--gigabytes" && has_value) {
      setting.gigabytes = std::atoi(argv[++i]);
    } else {
      asked.push_back(word);
    }
  }
  fmt::print("setting: {} byte payloads, {} bytes a record, {} cores, {}\n", payload_size,
             record_size, std::thread::hardware_concurrency(), setting.directory);
  for (const auto& [name, question] : questions) {
    if (asked.empty() || std::ranges::count(asked, name) > 0) question(setting);
  }
  std::filesystem::remove_all(setting.directory);
}
