#include <memory>

#include "api/cli/command.h"

namespace api::cli {
namespace {

constexpr auto footer =
    R"(At the first start it makes a platform key and prints it once. SIGTERM and SIGINT end it in peace.

Examples:
  tidemark serve --data ./data --listen 127.0.0.1:8080
  tidemark serve --data /srv/tidemark --listen '[::]:8080' --bootstrap-key-file platform.key
  TIDEMARK_BOOTSTRAP_KEY=$(tidemark keys generate) tidemark serve --log-format json)";

}  // namespace

void add_serve(CLI::App& program, Job& job, Serve serve) {
  auto flags = std::make_shared<SettingFlags>();
  auto* app = program.add_subcommand("serve", "Run a server on a data directory");
  app->footer(footer);
  flags->add_to(*app, {"data", "listen", "bootstrap_key_file", "root_key", "partitions", "threads",
                       "log_format", "log_level", "header_timeout_seconds", "body_timeout_seconds",
                       "idle_timeout_seconds", "write_timeout_seconds", "stop_timeout_seconds",
                       "connections_max"});
  app->callback([flags, &job, serve = std::move(serve)] {
    job = [flags, serve] {
      auto configuration = flags->load();
      if (configuration) return serve(configuration->settings);
      return job_of([&] { return Step<void>(std::unexpected(configuration.error())); })();
    };
  });
}

}  // namespace api::cli
