#include "api/cli/command.h"

#include <cstdio>
#include <exception>

#include <fmt/format.h>

namespace api::cli {

std::unexpected<Stop> stop(Exit exit, std::string message) {
  return std::unexpected(Stop{exit, std::move(message)});
}

std::unexpected<Stop> stop(const schemas::Error& error) {
  return stop(Exit::failed, describe(error));
}

std::string describe(const schemas::Error& error) {
  std::string text = error.detail;
  for (const auto& field : error.fields) {
    text +=
        fmt::format("\n  {}: {}", field.where.empty() ? "(all of it)" : field.where, field.detail);
  }
  return text;
}

Job job_of(std::function<Step<void>()> command) {
  return [command = std::move(command)] {
    Step<void> done;
    try {
      done = command();
    } catch (const std::exception& thrown) {
      done = stop(Exit::failed, thrown.what());
    }
    std::fflush(stdout);
    if (done) return static_cast<int>(Exit::done);
    fmt::print(stderr, "tidemark: {}\n", done.error().message);
    return static_cast<int>(done.error().exit);
  };
}

void SettingFlags::add_to(CLI::App& app, std::initializer_list<std::string_view> names) {
  const Settings defaults;
  for (const auto name : names) {
    const auto* setting = find_setting(name);
    ENSURE(setting != nullptr && setting->flag == Setting::Flag::yes);
    auto help = std::string(setting->help);
    if (auto value = setting->show(defaults); !value.empty()) help += fmt::format(" ({})", value);
    auto take = [this, setting](const std::string& text) {
      given_.push_back({std::string(setting->name), text, setting->flag_name()});
    };
    app.add_option_function<std::string>(setting->flag_name(), take, help)
        ->type_name(std::string(setting->value_name));
  }
}

Step<Configuration> SettingFlags::load() const {
  auto sources = system_sources();
  sources.flags = given_;
  auto configuration = load_configuration(sources);
  if (!configuration) return stop(Exit::usage, configuration.error().detail);
  return std::move(*configuration);
}

}  // namespace api::cli
