#include "tests/simulation/simulated_world.h"

namespace simulation {

using schemas::ErrorCode;
using schemas::fail;

Result<void> SimulatedWorld::open() {
  constexpr std::uint64_t segment_size = 8 * 1024;
  context_ = std::make_unique<boost::asio::io_context>(1);
  core_ = std::make_unique<manager::Core>(manager::Core::Options{
      .executor = context_->get_executor(),
      .clock = clock_,
      // As in eventstore/nonces.h: the same for the same place, so a claim is known again.
      .nonce =
          [](eventstore::LogId log, const schemas::Epoch& epoch) {
            return 1 + (std::uint64_t{log.partition} << 32) +
                   static_cast<std::uint64_t>(epoch.offset + 7);
          },
      .process = "simulated",
      .rows = *rows_,
      .on_applied = {}});
  auto journal = eventstore::Journal::open(
      eventstore::JournalOptions{.directory = "/data",
                                 .files = &disk_,
                                 .drive = eventstore::JournalOptions::Drive::pump,
                                 .first_segment_size = segment_size,
                                 .segment_size_max = segment_size},
      core_->observer());
  if (!journal) {
    die();
    return fail(std::move(journal).error());
  }
  journal_ = std::move(*journal);
  if (const auto& damages = journal_->opening().damages; !damages.empty()) {
    return fail(ErrorCode::read_only, "damage was reported on a disk that keeps its promises");
  }
  core_->attach(*journal_);
  auto caught_up = core_->catch_up();
  if (!caught_up) return std::unexpected(std::move(caught_up).error());
  return core_->founded() ? Result<void>() : found();
}

Result<void> SimulatedWorld::found() {
  Result<void> founded = fail(ErrorCode::internal, "founding never ended");
  core_->found(partitions, [&](Result<void> done) { founded = std::move(done); });
  settle();
  return founded;
}

void SimulatedWorld::die() {
  journal_.reset();
  core_.reset();
  context_.reset();
}

void SimulatedWorld::kill(std::uint64_t kept_rows) {
  die();
  rows_->crash(kept_rows);
}

void SimulatedWorld::cut_power(std::uint64_t kept_rows) {
  kill(kept_rows);
  disk_.cut_power();
}

void SimulatedWorld::close() {
  journal_->close();
  die();
  rows_->crash(~std::uint64_t{0});
}

void SimulatedWorld::forget_rows() {
  rows_ = std::make_unique<projections::MemoryStore>();
}

void SimulatedWorld::send(manager::CommandContext context, manager::Command command,
                          manager::Commands::Done done) {
  core_->commands().submit(std::move(context), std::move(command), std::move(done));
  poll();
}

bool SimulatedWorld::poll() {
  context_->restart();
  return context_->poll() > 0;
}

void SimulatedWorld::settle() {
  // A claim, a topic and a command may need a commit each, one after the other.
  for (int quiet = 0; quiet < 2;) {
    const auto before = journal_->durable_position();
    journal_->pump();
    quiet = !poll() && journal_->durable_position() == before ? quiet + 1 : 0;
  }
}

}  // namespace simulation
