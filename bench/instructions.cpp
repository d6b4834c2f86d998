// Runs one path of the code a fixed number of times, for callgrind to count instructions: they do
// not depend on what else the machine does, so a change of a few per cent shows. bench/check.py
// names the functions that are counted and compares with instructions.json.
//
//     instructions encode|append|core|route
//
//     encode   build_batch of one declared event with 100 bytes of data
//     append   records of that payload: chain, and staging, writing and publishing in the journal
//     core     commands that append such an event: decide, and folding what was decided
//     route    a request's head: parse, decode the target, find the route
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <unistd.h>

#include <fmt/format.h>

#include "api/http/parser.h"
#include "api/http/router.h"
#include "api/http/target.h"
#include "api/resources/dispatch.h"
#include "api/resources/routes.h"
#include "eventstore/journal.h"
#include "schemas/crypto.h"
#include "tests/support/world.h"

namespace {

using namespace schemas;

constexpr int times = 2000;
constexpr int entities = 100;

std::string data_text() {
  return fmt::format(R"({{"text":"{}"}})", std::string(89, 'x'));
}

eventstore::Payload payload(const std::string& data) {
  const Uuid id{{1, 2, 3}};
  const BatchHead head{.organization = OrganizationId(id),
                       .correlation = "req_00000000000000000000000000",
                       .recorded = Time{},
                       .command = CommandId(id)};
  const EventDraft draft{.id = EventId(id),
                         .type = "item.changed",
                         .kind = "item",
                         .entity = {{}, "e-17"},
                         .version = Version{1},
                         .occurred = Time{},
                         .data = Json{data}};
  auto built = build_batch(head, {&draft, 1});
  return {std::move(built.owner), built.bytes};
}

void encode() {
  const auto data = data_text();
  for (int i = 0; i < times; ++i) (void)payload(data);
}

/// Lets one append at a time through, so that every group is of one record in every run.
class OneByOne final : public eventstore::LogObserver {
 public:
  void on_durable(eventstore::Group) override {
    const std::lock_guard lock(mutex_);
    ++durable_;
    changed_.notify_one();
  }
  void on_failure(eventstore::AppendFailure) override { std::abort(); }
  void wait_for(int records) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_ >= records; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int durable_ = 0;
};

void append() {
  const auto directory =
      std::filesystem::temp_directory_path() / fmt::format("instructions-{}", getpid());
  {
    OneByOne observer;
    auto opened = eventstore::Journal::open({.directory = directory.string()}, observer);
    if (!opened) std::abort();
    auto& journal = **opened;
    (void)journal.open_topic({TopicId{1}, "t", 1});
    const eventstore::LogId log{TopicId{1}, 0};
    auto state = journal.state(log);
    const auto bytes = payload(data_text());
    for (int i = 0; i < times; ++i) {
      state.chain = eventstore::next_chain(state.chain, bytes.bytes());
      const eventstore::RecordHead head{.length = static_cast<std::uint32_t>(bytes.bytes().size()),
                                        .epoch = state.epoch,
                                        .sequence = state.sequence++,
                                        .chain = state.chain,
                                        .payload_crc = crc32c(bytes.bytes())};
      journal.append({{log, state.next_offset++, head, bytes}});
      observer.wait_for(i + 1);
    }
  }
  std::filesystem::remove_all(directory);
}

void core() {
  manager::World world;
  const OrganizationId acme(Uuid{{1}});
  const auto declared = world.run(
      manager::platform(),
      manager::DeclareProduct{
          "bench", R"({"kinds":{"item":{"events":{"item.changed":{"fold":"replace"}}}}})"});
  if (!declared) std::abort();
  for (int i = 0; i < times; ++i) {
    const auto entity = fmt::format("e-{}", i % entities);
    const auto version = static_cast<std::uint64_t>(i / entities);
    const manager::Expected expected{
        version == 0 ? manager::Expected::Case::no_stream : manager::Expected::Case::exactly,
        Version{version}};
    const auto done =
        world.run(manager::of(acme),
                  manager::AppendEvents{"bench",
                                        {{"item", entity, "item.changed", data_text(), {}}},
                                        {{"item", entity, expected}}});
    if (!done) std::abort();
  }
}

void route() {
  using namespace api::http;
  const Router router(api::resources::http_routes(api::resources::operations()));
  const std::string head =
      "POST /v2/products/bench/item/e-17/events HTTP/1.1\r\nHost: bench\r\n"
      "Authorization: Bearer le_live_000000000000000000000000000000000000000000000000\r\n"
      "Content-Type: application/json\r\nContent-Length: 142\r\n\r\n";
  for (int i = 0; i < times; ++i) {
    Parser parser(16384);
    if (!parser.read_head(head).value_or(false)) std::abort();
    Request request;
    parser.take_head(head, request);
    if (decode_target(request)) std::abort();
    const auto match = router.match(request.method, request.segments);
    if (!std::holds_alternative<RouteIndex>(match)) std::abort();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view path = argc > 1 ? argv[1] : "";
  if (path == "encode") {
    encode();
  } else if (path == "append") {
    append();
  } else if (path == "core") {
    core();
  } else if (path == "route") {
    route();
  } else {
    fmt::print(stderr, "usage: instructions encode|append|core|route\n");
    return 1;
  }
}
