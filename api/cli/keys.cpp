#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "api/cli/command.h"
#include "api/cli/remote.h"
#include "api/edge/key_text.h"
#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

constexpr auto generate_footer = R"(Examples:
  tidemark keys generate
  TIDEMARK_BOOTSTRAP_KEY=$(tidemark keys generate) tidemark serve)";

constexpr auto create_footer =
    R"(Prints the new key, which is shown this once. --organization says whose it is; asked by a key of that
organization itself, it is not needed. --space is the new key's.

Examples:
  tidemark keys create --key-file platform.key --organization org_… --name ci --permission '*'
  tidemark keys create --name reader --permission projects:read --permission events:read \
      --expires-at 2027-01-01T00:00:00Z --json)";

struct Options {
  SettingFlags flags;
  std::string name;
  std::string space = "live";
  std::vector<std::string> permissions;
  std::vector<std::string> projects;
  std::string expires_at;
  bool json = false;
};

std::string body_of(const Options& options) {
  std::string body;
  schemas::json::Writer writer(body);
  writer.begin_object().member("name", options.name).member("space", options.space);
  writer.name("permissions").begin_array();
  for (const auto& permission : options.permissions) writer.value(permission);
  writer.end_array();
  if (!options.projects.empty()) {
    writer.name("projects").begin_array();
    for (const auto& project : options.projects) writer.value(project);
    writer.end_array();
  }
  if (!options.expires_at.empty()) writer.member("expires_at", options.expires_at);
  writer.end_object();
  return body;
}

Step<void> create(const Options& options) {
  auto remote = remote_of(options.flags);
  if (!remote) return std::unexpected(std::move(remote).error());
  auto answer = ask(*remote, {"POST", "/v2/auth/keys", json_headers, body_of(options)});
  if (!answer) return std::unexpected(std::move(answer).error());
  if (options.json) {
    fmt::print("{}\n", answer->body);
    return {};
  }
  auto document = schemas::json::parse(answer->body);
  const auto key = document ? document->root().find("key") : std::nullopt;
  const auto text = key ? key->as_string() : std::nullopt;
  if (!text) return stop(Exit::failed, "the server's answer holds no key: " + answer->body);
  fmt::print("{}\n", *text);
  return {};
}

Step<void> generate(const Options& options) {
  const auto space = schemas::parse_space(options.space);
  fmt::print("{}\n", edge::make_key_text(*space).reveal());
  return {};
}

void add_space(CLI::App& app, Options& options) {
  app.add_option("--space", options.space, "where the key acts (live)")
      ->type_name("live|test")
      ->check(CLI::IsMember({"live", "test"}))
      ->description("where the key acts (live)");
}

}  // namespace

void add_keys(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* keys = program.add_subcommand("keys", "Make API keys");
  keys->require_subcommand(1);

  auto* making = keys->add_subcommand("generate", "Print a fresh key text; nothing knows it yet");
  making->footer(generate_footer);
  add_space(*making, *options);
  making->callback([options, &job] { job = job_of([options] { return generate(*options); }); });

  auto* creating = keys->add_subcommand("create", "Create an API key on a running server");
  creating->footer(create_footer);
  options->flags.add_to(*creating, {"url", "key", "key_file", "organization"});
  add_space(*creating, *options);
  creating->add_option("--name", options->name, "what people call it")
      ->required()
      ->type_name("TEXT");
  creating->add_option("--permission", options->permissions, "what it may do; may be repeated")
      ->required()
      ->type_name("P")
      ->allow_extra_args(false);
  creating->add_option("--project", options->projects, "the only projects it sees; may be repeated")
      ->type_name("ID")
      ->allow_extra_args(false);
  creating->add_option("--expires-at", options->expires_at, "when it ends (never)")
      ->type_name("TIME");
  creating->add_flag("--json", options->json, "print the server's whole answer");
  creating->callback([options, &job] { job = job_of([options] { return create(*options); }); });
}

}  // namespace api::cli
