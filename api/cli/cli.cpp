#include "api/cli/cli.h"

#include <cstdio>

#include <fmt/format.h>

#include "api/cli/log_topics.h"
#include "api/nearest.h"
#include "api/version.h"

namespace api::cli {
namespace {

constexpr auto description = R"(Tidemark: an event-sourced platform core with a replayable log.)";

constexpr auto footer =
    R"(Settings come from /etc/tidemark/*.json, ~/.config/tidemark/*.json, ./settings/*.json, the environment
(TIDEMARK_…) and flags; later wins. `tidemark config show` prints them.

Exit status: 0 done; 1 it failed; 2 an argument or a setting is wrong; 3 the server refused; 4 the log
or a backup is damaged.

Examples:
  tidemark serve --data ./data --listen 127.0.0.1:8080
  tidemark import --mapping mapping.json --key-file key history.jsonl.zst
  tidemark replay --type 'project.*' --from 2026-11-01T00:00:00Z
  tidemark log verify --data ./data
  tidemark backup /mnt/backup --data ./data)";

/// The command that the arguments lead to, as far as they were understood.
CLI::App& innermost(CLI::App& program) {
  auto* app = &program;
  for (auto below = app->get_subcommands(); !below.empty(); below = app->get_subcommands()) {
    app = below.back();
  }
  return *app;
}

std::string full_name(const CLI::App& app) {
  const auto* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

/// What to say of an argument that the command does not have.
std::string describe_unknown(CLI::App& app, const std::string& argument) {
  std::vector<std::string> names;
  const bool is_flag = argument.starts_with("-");
  if (is_flag) {
    for (const auto* option : app.get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
  } else {
    for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  }
  const auto word = argument.substr(0, argument.find('='));
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto* what = is_flag || names.empty() ? "argument" : "command";
  return fmt::format("unknown {} {}{}", what, word, hint(word, views));
}

int explain(CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
    return program.exit(error);
  auto& app = innermost(program);
  const auto unknown = program.remaining(true);
  const auto message = unknown.empty() ? error.what() : describe_unknown(app, unknown.front());
  fmt::print(stderr, "tidemark: {}\nSee `{} --help`.\n", message, full_name(app));
  return static_cast<int>(Exit::usage);
}

}  // namespace

void add_version(CLI::App& program, Job& job) {
  auto* app = program.add_subcommand("version", "Print the program's version");
  app->callback([&job] {
    job = [] {
      fmt::print("tidemark {}\n", version);
      return static_cast<int>(Exit::done);
    };
  });
}

int run(int argc, const char* const* argv, Serve serve) {
  CLI::App program(description, "tidemark");
  program.footer(footer);
  program.set_version_flag("--version", fmt::format("tidemark {}", version));
  program.require_subcommand(1);
  Job job;
  add_serve(program, job, std::move(serve));
  add_import(program, job);
  add_replay(program, job);
  add_listen(program, job);
  add_projections(program, job);
  add_log(program, job);
  add_log_topics(*program.get_subcommand("log"), job);
  add_backup(program, job);
  add_restore(program, job);
  add_keys(program, job);
  add_keyring(program, job);
  add_config(program, job);
  add_version(program, job);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(program, error);
  }
  return job();
}

}  // namespace api::cli
