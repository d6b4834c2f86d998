#include <memory>

#include "api/cli/command.h"
#include "api/kafka_settings.h"

namespace api::cli {
namespace {

constexpr auto footer =
    R"(At the first start it makes a platform key and prints it once. SIGTERM and SIGINT end it in peace.

Examples:
  tidemark serve --data ./data --listen 127.0.0.1:8080
  tidemark serve --data /srv/tidemark --listen '[::]:8080' --bootstrap-key-file platform.key
  TIDEMARK_BOOTSTRAP_KEY=$(tidemark keys generate) tidemark serve --log-format json)";

Step<Configuration> load(const SettingFlags& flags) {
  auto configuration = flags.load();
  if (!configuration) return configuration;
  auto right = check_log_settings(configuration->settings);
  if (!right) return stop(Exit::usage, right.error().detail);
  return configuration;
}

}  // namespace

void add_serve(CLI::App& program, Job& job, Serve serve) {
  auto flags = std::make_shared<SettingFlags>();
  auto* app = program.add_subcommand("serve", "Run a server on a data directory");
  app->footer(footer);
  flags->add_to(*app, {"data", "listen", "bootstrap_key_file", "root_key", "partitions", "threads",
                       "log_format", "log_level", "header_timeout_seconds", "body_timeout_seconds",
                       "idle_timeout_seconds", "write_timeout_seconds", "stop_timeout_seconds",
                       "connections_max"});
  flags->add_to(*app, {"log", "kafka_security_protocol", "kafka_sasl_mechanism", "kafka_username",
                       "kafka_password_file", "kafka_ca", "kafka_certificate", "kafka_key",
                       "kafka_topic_prefix"});
  flags->add_to(*app, {"egress_allow", "egress_ports", "egress_ca", "keep_deliveries"});
  flags->add_to(*app, {"roles", "rpc_listen", "rpc_certificate", "rpc_key", "rpc_ca"});
  app->callback([flags, &job, serve = std::move(serve)] {
    job = [flags, serve] {
      auto configuration = load(*flags);
      if (configuration) return serve(configuration->settings);
      return job_of([&] { return Step<void>(std::unexpected(configuration.error())); })();
    };
  });
}

}  // namespace api::cli
