#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "api/cli/cli.h"
#include "api/json_lines.h"
#include "api/serve.h"

namespace {

/// Logs go to standard error: text for people, or one JSON object a line.
void start_logging(const api::Settings& settings) {
  auto logger = spdlog::stderr_logger_mt("tidemark");
  logger->set_level(spdlog::level::from_str(settings.log_level));
  if (settings.log_format == api::LogFormat::json) {
    api::use_json_lines(*logger);
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  }
  spdlog::set_default_logger(std::move(logger));
}

int serve(const api::Settings& settings) {
  start_logging(settings);
  auto served = api::serve(settings);
  if (served) return 0;
  fmt::print(stderr, "tidemark: {}\n", served.error().detail);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  return api::cli::run(argc, argv, serve);
}
