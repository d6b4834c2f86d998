#include "tests/support/world.h"

#include <gtest/gtest.h>

#include "schemas/crypto.h"

namespace manager {

World::World(std::uint16_t partitions)
    : storage_(std::make_shared<eventstore::MemoryStorage>()),
      rows_(std::make_unique<projections::MemoryStore>()),
      partitions_(partitions) {
  start();
}

World::~World() {
  stop();
}

void World::start() {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().detail;
}

Result<void> World::open() {
  context_ = std::make_unique<boost::asio::io_context>(1);
  core_ = std::make_unique<Core>(
      Core::Options{.executor = context_->get_executor(),
                    .clock = clock_,
                    .nonce =
                        [](eventstore::LogId log, const schemas::Epoch& epoch) {
                          return 1 + (std::uint64_t{log.partition} << 32) +
                                 static_cast<std::uint64_t>(epoch.offset + 7);
                        },
                    .process = "test",
                    .rows = *rows_,
                    .on_applied = {}});
  log_ = std::make_unique<eventstore::MemoryLog>(core_->observer(),
                                                 eventstore::MemoryLog::Drive::manual, storage_);
  core_->attach(*log_);
  auto caught_up = core_->catch_up();
  if (!caught_up) return std::unexpected(std::move(caught_up).error());
  if (core_->founded()) return {};
  Result<void> founded = fail(ErrorCode::internal, "founding never ended");
  core_->found(partitions_, [&](Result<void> done) { founded = std::move(done); });
  settle();
  return founded;
}

void World::stop() {
  log_.reset();
  core_.reset();
  context_.reset();
}

void World::crash(std::uint64_t kept) {
  stop();
  rows_->crash(kept);
  start();
}

Result<void> World::restart(const std::function<void()>& between) {
  stop();
  between();
  return open();
}

void World::rebuild() {
  stop();
  rows_ = std::make_unique<projections::MemoryStore>();
  start();
}

ReplyPtr World::send(CommandContext context, Command command) {
  auto reply = std::make_shared<Reply>();
  send(std::move(context), std::move(command), [reply](Result<Outcome> result) {
    EXPECT_FALSE(reply->here()) << "answered twice";
    reply->result = std::move(result);
  });
  return reply;
}

void World::send(CommandContext context, Command command, Commands::Done done) {
  core_->commands().submit(std::move(context), std::move(command), std::move(done));
  poll();
}

void World::poll() {
  context_->restart();
  context_->poll();
}

void World::settle() {
  // A claim, a topic and a command may need a commit each, one after the other.
  for (std::size_t quiet = 0; quiet < 2;) {
    auto before = storage_->size();
    log_->pump();
    context_->restart();
    auto ran = context_->poll();
    quiet = ran == 0 && storage_->size() == before ? quiet + 1 : 0;
  }
}

Result<Outcome> World::run(CommandContext context, Command command) {
  auto reply = send(std::move(context), std::move(command));
  settle();
  if (!reply->here()) return fail(ErrorCode::internal, "no answer came");
  return std::move(*reply->result);
}

projections::Reader World::reader(schemas::OrganizationId organization, Space space) {
  return {*rows_, organization, space};
}

CommandContext of(schemas::OrganizationId organization, Space space) {
  return {.organization = organization,
          .space = space,
          .actor = {},
          .rights = {},
          .correlation = "test",
          .traceparent = {},
          .idempotency = {},
          .if_match = {},
          .sequence = {}};
}

CommandContext platform() {
  return of(schemas::platform_organization);
}

CommandContext with_key(CommandContext context, std::string_view key, std::string_view request) {
  auto short_digest = [](std::string_view text) {
    auto digest = schemas::sha256(schemas::bytes_of(text));
    schemas::ShortDigest result;
    std::copy_n(digest.begin(), result.size(), result.begin());
    return result;
  };
  context.idempotency = {short_digest(key), short_digest(request)};
  return context;
}

CommandContext if_match(CommandContext context, std::uint64_t version) {
  context.if_match = Version{version};
  return context;
}

}  // namespace manager
