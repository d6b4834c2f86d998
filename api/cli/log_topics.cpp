#include "api/cli/log_topics.h"

#include <memory>

#include <fmt/format.h>

#include "api/cli/remote.h"
#include "schemas/json.h"

namespace api::cli {
namespace {

using schemas::json::Value;

constexpr auto footer =
    R"(Asks a running server for its status, with a platform key: for each partition that holds records its
owner and epoch, where log and rows end, and how far the rows are behind.

Examples:
  tidemark log topics --key-file platform.key
  tidemark log topics --key-file platform.key --json | jq '.processes')";

struct Options {
  SettingFlags flags;
  bool json = false;
};

std::string text_of(const Value& object, std::string_view name) {
  const auto member = object.find(name);
  if (!member) return "-";
  if (const auto text = member->as_string()) return std::string(*text);
  if (const auto number = member->as_int64()) return std::to_string(*number);
  return "-";
}

std::vector<Value> items_of(const Value& object, std::string_view name) {
  std::vector<Value> items;
  if (const auto list = object.find(name)) {
    for (const auto item : list->elements()) items.push_back(item);
  }
  return items;
}

void print_table(const Value& status) {
  fmt::print("log {}, {} partitions a topic\n\n", text_of(status, "log_id"),
             text_of(status, "partition_count"));
  fmt::print("{:<16} {:>9} {:>10} {:>10} {:>6}  {:<26} {}\n", "TOPIC", "PARTITION", "LOG END",
             "ROWS END", "LAG", "EPOCH", "OWNER");
  for (const auto& product : items_of(status, "products")) {
    for (const auto& partition : items_of(product, "partitions")) {
      fmt::print("{:<16} {:>9} {:>10} {:>10} {:>6}  {:<26} {}\n", text_of(product, "name"),
                 text_of(partition, "partition"), text_of(partition, "log_end"),
                 text_of(partition, "applied_end"), text_of(partition, "lag"),
                 text_of(partition, "epoch"), text_of(partition, "owner"));
    }
  }
  for (const auto& process : items_of(status, "processes")) {
    fmt::print("\nprocess {} at {}: {}, {}, writes {} partitions", text_of(process, "name"),
               text_of(process, "address"), text_of(process, "state"), text_of(process, "roles"),
               text_of(process, "owned"));
  }
  if (const auto voids = status.find("void_records")) {
    fmt::print(
        "\nvoid records since the server's start: {} claims, {} of old epochs, {} out of "
        "sequence\n",
        text_of(*voids, "void-claim"), text_of(*voids, "void-epoch"),
        text_of(*voids, "void-sequence"));
  }
}

Step<void> print_topics(const Options& options) {
  auto remote = remote_of(options.flags);
  if (!remote) return std::unexpected(std::move(remote).error());
  auto answer = ask(*remote, {"GET", "/v2/status", {}, {}});
  if (!answer) return std::unexpected(std::move(answer).error());
  if (options.json) {
    fmt::print("{}\n", answer->body);
    return {};
  }
  auto document = schemas::json::parse(answer->body);
  if (!document) return stop(Exit::failed, "the server's answer is no JSON: " + answer->body);
  print_table(document->root());
  return {};
}

}  // namespace

void add_log_topics(CLI::App& log, Job& job) {
  auto options = std::make_shared<Options>();
  auto* app = log.add_subcommand("topics", "Show topics and partitions of a running server");
  app->footer(footer);
  options->flags.add_to(*app, {"url", "key", "key_file"});
  app->add_flag("--json", options->json, "print the server's answer as it is");
  app->callback([options, &job] { job = job_of([options] { return print_topics(*options); }); });
}

}  // namespace api::cli
