#include <map>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/cli/offline.h"
#include "api/kafka_settings.h"
#include "eventstore/kafka_keyring.h"
#include "eventstore/key_rotation.h"
#include "schemas/json_writer.h"

namespace api::cli {
namespace {

using eventstore::KeyPurpose;
using eventstore::KeyRotation;
using eventstore::KeyState;
using eventstore::StoredKeys;

constexpr auto verify_footer =
    R"(Opens every key of the keyring with the root key; nothing is changed. A server may run meanwhile.

Exit status: 0 every key opens; 4 the keyring is damaged, or a key does not open with this root key.

Examples:
  tidemark keyring verify --data ./data
  tidemark keyring verify --data ./data --root-key /mnt/keys/root.key --json)";

constexpr auto rotate_footer =
    R"(Makes a new root key, wraps every key of the keyring anew with it, and gives each organization a new data
key for what is sealed from now on. What was sealed before stays readable. The server must be stopped;
where the log is on Kafka, every process: each then needs the new root key before it starts.

The root key from before stays beside the new one, under its name and fingerprint: backups from before
need it. Move it to where your other keys are. A kill at any moment is made good by the next start.

Examples:
  tidemark keyring rotate --data ./data
  tidemark keyring rotate --data ./data --log kafka://10.0.0.1:9092)";

struct Options {
  SettingFlags flags;
  bool json = false;
};

struct Keys {
  std::string where;
  StoredKeys stored;
};

Step<Keys> read_file(const Settings& settings) {
  const auto path = settings.data + "/keyring";
  auto bytes = read_whole(eventstore::posix_files(), path);
  if (!bytes) return stop(bytes.error());
  auto stored = eventstore::decode_keys(*bytes);
  if (stored) return Keys{path, std::move(*stored)};
  return stop(Exit::damaged, fmt::format("{}: {}", path, stored.error().detail));
}

Step<Keys> read_topic(const Settings& settings) {
  auto options = kafka_options(settings, settings.log);
  if (!options) return stop(Exit::usage, describe(options.error()));
  if (auto reached = reach_kafka(*options); !reached) return stop(reached.error());
  auto topic = eventstore::kafka::KeyringTopic::open(*options);
  if (!topic) return stop(topic.error());
  auto reading = (*topic)->read();
  if (!reading) return stop(Exit::damaged, describe(reading.error()));
  const auto where = "topic " + (*topic)->name();
  if (!reading->keys) return stop(Exit::failed, where + " holds no keys");
  return Keys{where, std::move(*reading->keys)};
}

struct Counts {
  std::size_t active = 0;
  std::size_t destroyed = 0;
};

void print(const Keys& keys, const std::vector<std::uint32_t>& shut, bool json) {
  std::map<std::string_view, Counts> counts{{"mark", {}}, {"hmac", {}}, {"data", {}}};
  const auto name = [](KeyPurpose purpose) {
    return purpose == KeyPurpose::mark ? "mark" : purpose == KeyPurpose::hmac ? "hmac" : "data";
  };
  for (const auto& key : keys.stored.keys) {
    auto& count = counts[name(key.purpose)];
    ++(key.state == KeyState::active ? count.active : count.destroyed);
  }
  if (!json) {
    fmt::print("{}: {} keys\n", keys.where, keys.stored.keys.size());
    for (const auto& [purpose, count] : counts) {
      fmt::print("  {:<5} {} active, {} destroyed\n", purpose, count.active, count.destroyed);
    }
    return;
  }
  std::string out;
  schemas::json::Writer writer(out);
  writer.begin_object().member("keyring", keys.where).name("keys").begin_object();
  for (const auto& [purpose, count] : counts) {
    writer.name(purpose)
        .begin_object()
        .member("active", count.active)
        .member("destroyed", count.destroyed)
        .end_object();
  }
  writer.end_object().name("shut").begin_array();
  for (const auto id : shut) writer.value(std::uint64_t{id});
  writer.end_array().end_object();
  fmt::print("{}\n", out);
}

Step<void> verify(const Options& options) {
  auto configuration = options.flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  const auto& settings = configuration->settings;
  auto keys = log_is_on_kafka(settings) ? read_topic(settings) : read_file(settings);
  if (!keys) return std::unexpected(std::move(keys).error());
  const eventstore::KeyringPlace place{settings.data, settings.root_key};
  auto root = eventstore::read_root_key(eventstore::posix_files(), place.root_key_path());
  if (!root) return stop(root.error());
  if (!*root) {
    return stop(Exit::damaged,
                fmt::format("the root key {} is missing, so no key of {} opens; put it back, or "
                            "name its place with --root-key",
                            place.root_key_path(), keys->where));
  }
  const auto shut = eventstore::keys_that_stay_shut(keys->stored, **root);
  print(*keys, shut, options.json);
  if (shut.empty()) return {};
  const bool other_root = keys->stored.root != eventstore::fingerprint_of((*root)->view());
  return stop(
      Exit::damaged,
      fmt::format("keys {} do not open with {}: {}", fmt::join(shut, ", "), (*root)->path,
                  other_root ? "the keyring was made with another root key"
                             : "their bytes are damaged; put the keyring of a backup back"));
}

Step<KeyRotation> kept(schemas::Result<KeyRotation> rotated) {
  if (!rotated) return stop(rotated.error());
  return std::move(*rotated);
}

Step<KeyRotation> rotate_on_kafka(const Settings& settings, const SettingFlags& flags) {
  auto options = reach_unused_log(settings, settings.log);
  if (!options) return std::unexpected(std::move(options).error());
  auto directory = lock_data(flags, DataDirectory::Missing::refuse_rows);
  if (!directory) return std::unexpected(std::move(directory).error());
  return kept(eventstore::kafka::rotate_root_key(*options, eventstore::posix_files(),
                                                 {directory->path(), settings.root_key}));
}

Step<KeyRotation> rotate_file(const Settings& settings, const SettingFlags& flags) {
  auto directory = lock_data(flags);
  if (!directory) return std::unexpected(std::move(directory).error());
  return kept(eventstore::rotate_root_key(eventstore::posix_files(),
                                          {directory->path(), settings.root_key}));
}

Step<void> rotate(const Options& options) {
  auto configuration = options.flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  const auto& settings = configuration->settings;
  const auto work = log_is_on_kafka(settings) ? rotate_on_kafka : rotate_file;
  const auto rotated = work(settings, options.flags);
  if (!rotated) return std::unexpected(rotated.error());
  fmt::print(
      "{} keys are wrapped by the new root key {}, and {} data keys are new\n"
      "the root key from before is {}; backups from before need it\n",
      rotated->keys, rotated->root_key, rotated->data_keys, rotated->old_root_key);
  if (log_is_on_kafka(settings)) fmt::print("copy it to every process before that starts\n");
  return {};
}

}  // namespace

void add_keyring(CLI::App& program, Job& job) {
  auto* keyring = program.add_subcommand("keyring", "Look after the keys that seal fields");
  keyring->require_subcommand(1);

  const std::initializer_list<std::string_view> flags{"data",
                                                      "root_key",
                                                      "log",
                                                      "kafka_security_protocol",
                                                      "kafka_sasl_mechanism",
                                                      "kafka_username",
                                                      "kafka_password_file",
                                                      "kafka_ca",
                                                      "kafka_certificate",
                                                      "kafka_key",
                                                      "kafka_topic_prefix"};

  auto checked = std::make_shared<Options>();
  auto* check = keyring->add_subcommand("verify", "Open every key with the root key");
  check->footer(verify_footer);
  checked->flags.add_to(*check, flags);
  check->add_flag("--json", checked->json, "print a JSON object");
  check->callback([checked, &job] { job = job_of([checked] { return verify(*checked); }); });

  auto turned = std::make_shared<Options>();
  auto* turn = keyring->add_subcommand("rotate", "Take a new root key and new data keys");
  turn->footer(rotate_footer);
  turned->flags.add_to(*turn, flags);
  turn->callback([turned, &job] { job = job_of([turned] { return rotate(*turned); }); });
}

}  // namespace api::cli
