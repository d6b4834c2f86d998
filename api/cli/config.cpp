#include <memory>

#include <fmt/format.h>

#include "api/cli/command.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

constexpr auto footer = R"(Examples:
  tidemark config show
  TIDEMARK_LISTEN=0.0.0.0:80 tidemark config show --json)";

struct Options {
  SettingFlags flags;
  bool json = false;
};

struct Shown {
  std::string value;
  std::string origin;
};

Shown shown(const Configuration& configuration, const Setting& setting) {
  const auto origin = configuration.origins.find(setting.name);
  const auto from = origin == configuration.origins.end() ? "default" : origin->second;
  return {setting.show(configuration.settings), from};
}

void print_json(const Configuration& configuration) {
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object();
  for (const auto& setting : all_settings()) {
    const auto [value, origin] = shown(configuration, setting);
    writer.name(setting.name).begin_object().name("value");
    value.empty() ? writer.null() : writer.value(value);
    writer.member("origin", origin).end_object();
  }
  writer.end_object();
  fmt::print("{}\n", out);
}

Step<void> show(const Options& options) {
  auto configuration = options.flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  if (options.json) {
    print_json(*configuration);
    return {};
  }
  for (const auto& setting : all_settings()) {
    const auto [value, origin] = shown(*configuration, setting);
    fmt::print("{:24} {:32} {}\n", setting.name, value.empty() ? "-" : value, origin);
  }
  return {};
}

}  // namespace

void add_config(CLI::App& program, Job& job) {
  auto options = std::make_shared<Options>();
  auto* config = program.add_subcommand("config", "Look at the configuration");
  config->require_subcommand(1);
  auto* app = config->add_subcommand("show", "Print every setting and where it comes from");
  app->footer(footer);
  app->add_flag("--json", options->json, "print a JSON object");
  for (const auto& setting : all_settings()) {
    if (setting.flag == Setting::Flag::yes) options->flags.add_to(*app, {setting.name});
  }
  app->callback([options, &job] { job = job_of([options] { return show(*options); }); });
}

}  // namespace api::cli
