#pragma once

#include <expected>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "api/config.h"
#include "schemas/result.h"

/// What the commands of the command line share. Each has a file of its own that adds it to the
/// program; the one that was asked for leaves its job, which runs when everything was understood.
/// Data goes to stdout, everything else to stderr.
namespace api::cli {

/// Exit statuses, as the help shows them.
enum class Exit : int {
  done = 0,
  failed = 1,   // it could not be done, or not to the end
  usage = 2,    // an argument, a setting or a mapping is wrong; nothing was done
  refused = 3,  // the server refused
  damaged = 4,  // the log or a backup is damaged
};

/// Why a command ends early, in words for whoever started it.
struct Stop {
  Exit exit;
  std::string message;
};
template <typename T>
using Step = std::expected<T, Stop>;
std::unexpected<Stop> stop(Exit exit, std::string message);
std::unexpected<Stop> stop(const schemas::Error& error);

/// Detail and wrong fields of an error, a line each.
std::string describe(const schemas::Error& error);

using Job = std::function<int()>;
/// Runs a command, says why it stopped, if so, and gives its exit status. What is thrown is said
/// too.
Job job_of(std::function<Step<void>()> command);

/// Settings that a command takes as flags.
class SettingFlags {
 public:
  void add_to(CLI::App& app, std::initializer_list<std::string_view> names);
  /// Together with this machine's files and environment.
  Step<Configuration> load() const;

 private:
  std::vector<GivenSetting> given_;
};

/// Of every command that talks to a server.
inline constexpr std::initializer_list<std::string_view> client_settings = {
    "url", "key", "key_file", "organization", "space"};

// ---- the commands ----

/// Runs a server until it is told to stop; returns the exit status.
using Serve = std::function<int(const Settings&)>;
void add_serve(CLI::App& program, Job& job, Serve serve);
void add_import(CLI::App& program, Job& job);
void add_replay(CLI::App& program, Job& job);
void add_listen(CLI::App& program, Job& job);
void add_projections(CLI::App& program, Job& job);
void add_log(CLI::App& program, Job& job);
void add_backup(CLI::App& program, Job& job);
void add_restore(CLI::App& program, Job& job);
void add_keys(CLI::App& program, Job& job);
void add_keyring(CLI::App& program, Job& job);
void add_config(CLI::App& program, Job& job);
void add_version(CLI::App& program, Job& job);

}  // namespace api::cli
