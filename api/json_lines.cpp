#include "api/json_lines.h"

#include <memory>

#include <spdlog/formatter.h>

#include "schemas/json_writer.h"

namespace api {
namespace {

class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    auto level = spdlog::level::to_string_view(message.level);
    std::string_view text(message.payload.data(), message.payload.size());
    std::string line;
    schemas::json::Writer(line)
        .begin_object()
        .member("time", std::chrono::floor<std::chrono::milliseconds>(message.time))
        .member("level", std::string_view(level.data(), level.size()))
        .member("message", schemas::json::valid_utf8(text) ? text : "(not UTF-8)")
        .end_object();
    line.push_back('\n');
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLines>();
  }
};

}  // namespace

void use_json_lines(spdlog::logger& logger) {
  logger.set_formatter(std::make_unique<JsonLines>());
}

}  // namespace api
