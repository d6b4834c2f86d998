#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/server.h"
#include "eventstore/roles.h"
#include "schemas/crypto.h"
#include "schemas/ids.h"
#include "schemas/result.h"

/// The configuration: what it can say, where it comes from, and what it comes to.
///
///     defaults ─▶ /etc/tidemark/*.json ─▶ ~/.config/tidemark/*.json ─▶ ./settings/*.json
///              ─▶ environment TIDEMARK_… ─▶ flags                     later wins
///
/// A file is one JSON object. A setting has one name: `log_format` in a file, TIDEMARK_LOG_FORMAT
/// in the environment, --log-format as a flag. Unknown ones are errors, wherever they stand.
namespace api {

enum class LogFormat : std::uint8_t { text, json };

struct Settings {
  // Of the server.
  std::string data = "data";
  http::ListenAddress listen{"127.0.0.1", 8080};
  std::optional<std::string> bootstrap_key_file;
  std::optional<schemas::Secret> bootstrap_key;
  std::optional<std::string> root_key;  // path of its file
  std::uint16_t partitions = 64;        // of a new log
  unsigned threads = 0;                 // of HTTP; 0: one per core
  LogFormat log_format = LogFormat::text;
  std::string log_level = "info";  // as spdlog names them
  http::Deadlines deadlines;
  std::size_t connections_max = http::Limits{}.connections;

  // Where the log is, and how Kafka's brokers are reached; `api/kafka_settings.h` reads them.
  std::string log;  // empty: the journal in the data directory
  std::string kafka_security_protocol = "plaintext";
  std::optional<std::string> kafka_sasl_mechanism;
  std::optional<std::string> kafka_username;
  std::optional<schemas::Secret> kafka_password;
  std::optional<std::string> kafka_password_file;  // instead of `kafka_password`
  std::optional<std::string> kafka_ca;             // these are paths of PEM files
  std::optional<std::string> kafka_certificate;
  std::optional<std::string> kafka_key;
  std::string kafka_topic_prefix = "tm.";

  // Of deliveries to webhooks; webhooks/egress.h reads them.
  std::vector<std::string> egress_allow;
  std::vector<std::uint16_t> egress_ports{443, 8443};
  std::optional<std::string> egress_ca;                         // path of a PEM file
  std::chrono::seconds keep_deliveries{std::chrono::days(30)};  // since they ended

  // Of a process among others.
  eventstore::Roles roles;
  http::ListenAddress rpc_listen{"127.0.0.1", 0};
  std::optional<std::string> rpc_certificate;  // these are paths of PEM files
  std::optional<std::string> rpc_key;
  std::optional<std::string> rpc_ca;

  // Of commands that talk to a server.
  std::string url = "http://127.0.0.1:8080";
  std::optional<schemas::Secret> key;
  std::optional<std::string> key_file;  // instead of `key`
  std::optional<std::string> organization;
  std::optional<schemas::Space> space;
};

/// One thing that can be set.
struct Setting {
  std::string_view name;
  std::string_view value_name;  // for help
  std::string_view help;
  enum class Flag : std::uint8_t { yes, no } flag;  // no: a secret that a process list would show
  enum class Secrecy : std::uint8_t { open, secret } secrecy;
  /// Returns what is wrong with the text; empty when it was taken.
  std::string (*set)(Settings& settings, std::string_view text);
  /// Empty when it is not set.
  std::string (*show)(const Settings& settings);

  std::string flag_name() const;         // --log-format
  std::string environment_name() const;  // TIDEMARK_LOG_FORMAT
};
std::span<const Setting> all_settings();
/// Null for an unknown name.
const Setting* find_setting(std::string_view name);

struct GivenSetting {
  std::string name;
  std::string text;
  std::string origin;  // for people
};

/// Where settings come from; tests make their own.
struct SettingSources {
  std::vector<std::string> directories;  // may be missing
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<GivenSetting> flags;
};
/// This machine's, this user's and this working directory's, without flags.
SettingSources system_sources();

struct Configuration {
  Settings settings;
  std::map<std::string, std::string, std::less<>> origins;  // of what is not left at its default
};
/// The error lists everything that is wrong, a line each.
schemas::Result<Configuration> load_configuration(const SettingSources& sources);

}  // namespace api
