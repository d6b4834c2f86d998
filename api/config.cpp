#include "api/config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/nearest.h"
#include "eventstore/file.h"
#include "schemas/json.h"

namespace api {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
namespace json = schemas::json;

constexpr std::string_view environment_prefix = "TIDEMARK_";

/// Puts settings on top of each other and notes what is wrong with them.
class Merge {
 public:
  void take(const GivenSetting& given) {
    const auto* setting = find_setting(given.name);
    if (setting == nullptr) {
      return note(given.origin,
                  fmt::format("unknown setting {}{}", given.name, hint(given.name, names())));
    }
    const auto wrong = setting->set(made_.settings, given.text);
    if (!wrong.empty()) return note(given.origin, fmt::format("{} {}", given.name, wrong));
    made_.origins.insert_or_assign(given.name, given.origin);
  }

  void take_file(const std::string& path) {
    auto bytes = eventstore::read_whole(eventstore::posix_files(), path);
    if (!bytes) return note(path, bytes.error().detail);
    auto document = json::parse(schemas::text_of(*bytes));
    if (!document) return note(path, place_and_fault(document.error()));
    if (!document->root().is_object()) return note(path, "must be a JSON object of settings");
    for (const auto [name, value] : document->root().members()) {
      if (value.is_null()) continue;
      if (value.is_array() || value.is_object()) {
        note(path, fmt::format("{} must be a text, a number, true or false", name));
      } else {
        const auto text = value.as_string();
        take({std::string(name), text ? std::string(*text) : json::minify(value), path});
      }
    }
  }

  void take_directory(const std::string& directory) {
    std::error_code missing;
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(directory, missing)) {
      if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
    }
    std::ranges::sort(paths);
    for (const auto& path : paths) take_file(path);
  }

  void take_environment(const std::string& variable, const std::string& text) {
    // An empty variable is how some tools say that there is none.
    if (!variable.starts_with(environment_prefix) || text.empty()) return;
    auto known = [&](const Setting& one) { return one.environment_name() == variable; };
    const auto found = std::ranges::find_if(all_settings(), known);
    if (found != all_settings().end()) return take({std::string(found->name), text, variable});
    std::vector<std::string> variables;
    for (const auto& one : all_settings()) variables.push_back(one.environment_name());
    const std::vector<std::string_view> views(variables.begin(), variables.end());
    note("the environment", fmt::format("unknown setting {}{}", variable, hint(variable, views)));
  }

  Result<Configuration> finish() {
    if (faults_.empty()) return std::move(made_);
    return fail(ErrorCode::invalid_parameter, fmt::format("{}", fmt::join(faults_, "\n")));
  }

 private:
  static std::vector<std::string_view> names() {
    std::vector<std::string_view> names;
    for (const auto& one : all_settings()) names.push_back(one.name);
    return names;
  }
  static std::string place_and_fault(const schemas::Error& error) {
    std::string place;
    for (const auto& [name, value] : error.members) place += fmt::format("{} {}, ", name, value);
    return fmt::format("{}{}", place, error.detail);
  }
  void note(std::string_view where, std::string_view what) {
    faults_.push_back(fmt::format("{}: {}", where, what));
  }

  Configuration made_;
  std::vector<std::string> faults_;
};

}  // namespace

SettingSources system_sources() {
  SettingSources sources{.directories = {"/etc/tidemark"}, .environment = {}, .flags = {}};
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    sources.directories.push_back(std::string(home) + "/.config/tidemark");
  }
  sources.directories.emplace_back("./settings");
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (!text.starts_with(environment_prefix)) continue;
    const auto equals = text.find('=');
    sources.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::ranges::sort(sources.environment);
  return sources;
}

Result<Configuration> load_configuration(const SettingSources& sources) {
  Merge merge;
  for (const auto& directory : sources.directories) merge.take_directory(directory);
  for (const auto& [variable, text] : sources.environment) merge.take_environment(variable, text);
  for (const auto& flag : sources.flags) merge.take(flag);
  return merge.finish();
}

}  // namespace api
