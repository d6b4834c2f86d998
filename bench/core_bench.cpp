// What does one command cost on the core thread, from decide to rows? Create-project commands of 64
// organizations through the command handler, on a log in memory (so no disk is in the figure) and
// rows in RocksDB, in groups of the size that a commit gathers under load.
//
//     core_bench [commands] [group]

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "eventstore/clock.h"
#include "eventstore/memory_log.h"
#include "manager/core.h"
#include "projections/read_store.h"

namespace {

using namespace manager;

struct Setting {
  std::size_t commands = 200'000;
  std::size_t group = 32;
};

class Bench {
 public:
  explicit Bench(const std::filesystem::path& directory)
      : rows_(*projections::open_rocks_store(directory)),
        core_({.executor = context_.get_executor(),
               .clock = eventstore::system_clock(),
               .nonce = [](auto, auto) { return 7; },
               .process = "bench",
               .rows = *rows_,
               .on_applied = {}}),
        log_(core_.observer(), eventstore::MemoryLog::Drive::manual) {
    core_.attach(log_);
    if (!core_.catch_up()) std::abort();
    core_.found(64, [](Result<void>) {});
    settle();
  }
  ~Bench() { log_.close(); }

  void settle() {
    for (int i = 0; i < 16; ++i) turn();
  }
  void turn() {
    context_.restart();
    context_.poll();
    log_.pump();
    context_.restart();
    context_.poll();
  }
  void create(std::size_t number) {
    CommandContext context{.organization = organizations_[number % organizations_.size()],
                           .actor = {},
                           .rights = {},
                           .correlation = "req_00000000000000000000000000",
                           .traceparent = {},
                           .idempotency = {},
                           .if_match = {},
                           .sequence = {}};
    core_.commands().submit(std::move(context),
                            CreateProject{fmt::format("Project {}", number), {}},
                            [this](Result<Outcome> result) { done_ += result.has_value(); });
  }
  std::size_t done() const { return done_; }

 private:
  boost::asio::io_context context_{1};
  std::unique_ptr<projections::ReadStore> rows_;
  Core core_;
  eventstore::MemoryLog log_;
  std::vector<schemas::OrganizationId> organizations_ = [] {
    std::vector<schemas::OrganizationId> made;
    for (int i = 0; i < 64; ++i) {
      made.emplace_back(schemas::make_uuid(eventstore::system_clock().wall()));
    }
    return made;
  }();
  std::size_t done_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Setting setting;
  if (argc > 1) setting.commands = std::strtoull(argv[1], nullptr, 10);
  if (argc > 2) setting.group = std::strtoull(argv[2], nullptr, 10);
  auto directory = std::filesystem::temp_directory_path() / "tidemark-core-bench";
  std::filesystem::remove_all(directory);
  {
    Bench bench(directory);
    for (std::size_t i = 0; i < 64; ++i) bench.create(i);  // claims
    bench.settle();
    auto before = bench.done();
    auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < setting.commands; i += setting.group) {
      for (std::size_t k = 0; k < setting.group; ++k) bench.create(64 + i + k);
      bench.turn();
    }
    bench.settle();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    auto done = static_cast<double>(bench.done() - before);
    fmt::print(
        "create-project commands {} in groups of {}: {:.0f}/s, {:.2f} us each, {} answered\n",
        setting.commands, setting.group, done / took.count(), took.count() / done * 1e6, done);
  }
  std::filesystem::remove_all(directory);
}
