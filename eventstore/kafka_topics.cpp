#include "eventstore/kafka_topics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <thread>
#include <vector>

#include <fmt/format.h>

namespace eventstore::kafka {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

using Metadata = std::unique_ptr<const rd_kafka_metadata_t, Destroy<rd_kafka_metadata_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using Resource =
    std::unique_ptr<rd_kafka_ConfigResource_t, Destroy<rd_kafka_ConfigResource_destroy>>;
using AdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                   Destroy<rd_kafka_topic_partition_list_destroy>>;
using Settings = std::map<std::string, std::string>;

constexpr int replicas_wanted = 3;
/// So late a broker may hear of a topic that another has made.
constexpr std::chrono::milliseconds heard_within{3'000};

int int_of(std::chrono::milliseconds time) {
  return static_cast<int>(time.count());
}

// ---- what a topic must be like ----

/// One setting and what it must be; `at_least`: that number or more.
struct Wanted {
  const char* name;
  std::string value;
  bool at_least = false;

  bool holds(const std::string& is) const {
    if (!at_least) return is == value;
    return number(is) >= number(value);
  }
  static std::int64_t number(const std::string& text) {
    std::int64_t number = -1;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
};

std::vector<Wanted> settings_of(Keeps keeps, bool replicated) {
  std::vector<Wanted> wanted{{"min.insync.replicas", replicated ? "2" : "1", true},
                             {"unclean.leader.election.enable", "false"}};
  if (keeps == Keeps::last_of_key) {
    wanted.push_back({"cleanup.policy", "compact"});
    return wanted;
  }
  wanted.push_back({"cleanup.policy", "delete"});
  wanted.push_back({"retention.ms", "-1"});
  wanted.push_back({"retention.bytes", "-1"});
  // A record of the largest size in a batch of its own, with room for Kafka's own bytes around it.
  wanted.push_back({"max.message.bytes", "5242880", true});
  return wanted;
}

// ---- what is there ----

struct Found {
  int brokers = 0;     // that are up
  int broker = -1;     // one of them
  int partitions = 0;  // 0: there is no such topic
  int replicas = 0;    // of the partition that has the fewest
};

Result<Metadata> ask(rd_kafka_t* handle, rd_kafka_topic_t* topic,
                     std::chrono::milliseconds within) {
  const rd_kafka_metadata_t* raw = nullptr;
  const auto code =
      rd_kafka_metadata(handle, topic == nullptr ? 1 : 0, topic, &raw, int_of(within));
  Metadata metadata(raw);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(to_error("asking about topics", code));
  return metadata;
}

Result<Found> look(rd_kafka_t* handle, const std::string& name, std::chrono::milliseconds within) {
  const TopicHandle topic(rd_kafka_topic_new(handle, name.c_str(), nullptr));
  auto metadata = ask(handle, topic.get(), within);
  if (!metadata) return fail(std::move(metadata).error());
  Found found{.brokers = (*metadata)->broker_cnt};
  if (found.brokers > 0) found.broker = (*metadata)->brokers[0].id;
  if ((*metadata)->topic_cnt == 0) return found;
  const auto& described = (*metadata)->topics[0];
  if (described.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return found;
  if (described.err != RD_KAFKA_RESP_ERR_NO_ERROR &&
      described.err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
    return fail(to_error("topic " + name, described.err));
  }
  const std::span partitions(described.partitions,
                             static_cast<std::size_t>(described.partition_cnt));
  found.partitions = described.partition_cnt;
  if (!partitions.empty()) {
    found.replicas =
        std::ranges::min(partitions, {}, &rd_kafka_metadata_partition_t::replica_cnt).replica_cnt;
  }
  return found;
}

std::string brokers_of(rd_kafka_t* handle) {
  std::size_t size = 0;
  const auto* conf = rd_kafka_conf(handle);
  if (rd_kafka_conf_get(conf, "bootstrap.servers", nullptr, &size) != RD_KAFKA_CONF_OK) return {};
  std::string text(size, '\0');
  rd_kafka_conf_get(conf, "bootstrap.servers", text.data(), &size);
  text.resize(size - 1);
  return text;
}

/// Whether the cluster has three brokers, though some may be down or not up yet: then so many are
/// named, or another topic has its three replicas.
Result<bool> has_replicas(rd_kafka_t* handle, int brokers_up, std::chrono::milliseconds within) {
  const auto named = std::ranges::count(brokers_of(handle), ',') + 1;
  if (std::max<std::int64_t>(brokers_up, named) >= replicas_wanted) return true;
  auto metadata = ask(handle, nullptr, within);
  if (!metadata) return fail(std::move(metadata).error());
  const std::span topics((*metadata)->topics, static_cast<std::size_t>((*metadata)->topic_cnt));
  return std::ranges::any_of(topics, [](const auto& topic) {
    return topic.partition_cnt > 0 && topic.partitions[0].replica_cnt >= replicas_wanted;
  });
}

// ---- questions to whoever administers topics ----

/// What they answer; null when nobody does.
template <typename Send>
Event answer(rd_kafka_t* handle, AdminOptions options, std::chrono::milliseconds within,
             Send send) {
  rd_kafka_AdminOptions_set_request_timeout(options.get(), int_of(within), nullptr, 0);
  const Queue answers(rd_kafka_queue_new(handle));
  send(options.get(), answers.get());
  return Event(rd_kafka_queue_poll(answers.get(), int_of(within) + 1'000));
}

enum class Created : std::uint8_t { is_there, too_few_brokers };

Result<Created> create(rd_kafka_t* handle, const std::string& name, std::uint16_t partitions,
                       Keeps keeps, bool replicated, std::chrono::milliseconds within) {
  std::array<char, 512> error{};
  const NewTopic topic(rd_kafka_NewTopic_new(
      name.c_str(), partitions, replicated ? replicas_wanted : 1, error.data(), error.size()));
  if (!topic) return fail(ErrorCode::internal, fmt::format("topic {}: {}", name, error.data()));
  for (const auto& [setting, value, at_least] : settings_of(keeps, replicated)) {
    rd_kafka_NewTopic_set_config(topic.get(), setting, value.c_str());
  }
  auto* asked = topic.get();
  const auto event = answer(
      handle, AdminOptions(rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS)),
      within, [&](const auto* options, auto* answers) {
        rd_kafka_CreateTopics(handle, &asked, 1, options, answers);
      });
  if (!event) return no_answer();
  auto code = rd_kafka_event_error(event.get());
  if (const auto* result = rd_kafka_event_CreateTopics_result(event.get())) {
    std::size_t count = 0;
    const auto* topics = rd_kafka_CreateTopics_result_topics(result, &count);
    if (count > 0) code = rd_kafka_topic_result_error(topics[0]);
  }
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return Created::is_there;
  }
  if (code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR) return Created::too_few_brokers;
  return fail(to_error("making topic " + name, code));
}

/// Waits for brokers that are still coming up.
Result<void> make_topic(rd_kafka_t* handle, const std::string& name, std::uint16_t partitions,
                        Keeps keeps, int brokers_up, std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  const auto replicated = has_replicas(handle, brokers_up, within);
  if (!replicated) return fail(replicated.error());
  while (true) {
    const auto created = create(handle, name, partitions, keeps, *replicated, within);
    if (!created) return fail(created.error());
    if (*created == Created::is_there) return {};
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(
          ErrorCode::internal,
          fmt::format("topic {} is to have three replicas, and fewer of the brokers {} have "
                      "come up; start the others",
                      name, brokers_of(handle)));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

struct Described {
  rd_kafka_resp_err_t code;
  Settings settings;
};

Result<Described> describe(rd_kafka_t* handle, int broker, const std::string& name,
                           std::chrono::milliseconds within) {
  const Resource resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  auto* asked = resource.get();
  // Any broker knows them.
  AdminOptions to(rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  rd_kafka_AdminOptions_set_broker(to.get(), broker, nullptr, 0);
  const auto event = answer(handle, std::move(to), within, [&](const auto* options, auto* answers) {
    rd_kafka_DescribeConfigs(handle, &asked, 1, options, answers);
  });
  if (!event) return no_answer();
  Described described{rd_kafka_event_error(event.get()), {}};
  if (const auto* result = rd_kafka_event_DescribeConfigs_result(event.get())) {
    std::size_t count = 0;
    const auto* resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count > 0) {
      described.code = rd_kafka_ConfigResource_error(resources[0]);
      const auto* entries = rd_kafka_ConfigResource_configs(resources[0], &count);
      for (const auto* entry : std::span(entries, count)) {
        const auto* value = rd_kafka_ConfigEntry_value(entry);
        described.settings[rd_kafka_ConfigEntry_name(entry)] = value == nullptr ? "" : value;
      }
    }
  }
  return described;
}

/// Empty when the brokers cannot be asked for it.
Result<Settings> read_settings(rd_kafka_t* handle, int broker, const std::string& name,
                               std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  for (;;) {
    auto described = describe(handle, broker, name, within);
    if (!described) return fail(std::move(described).error());
    const auto code = described->code;
    if (code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) return Settings();
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::move(described->settings);
    // Of a topic that another process has just made, one broker hears later than the next.
    const bool late = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (!late || std::chrono::steady_clock::now() > deadline) {
      return fail(to_error("reading the settings of topic " + name, code));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// ---- is it as it must be ----

Result<void> check_settings(rd_kafka_t* handle, const std::string& name, const Found& found,
                            Keeps keeps, std::chrono::milliseconds within) {
  const auto settings = read_settings(handle, found.broker, name, within);
  if (!settings) return fail(std::move(settings).error());
  if (settings->empty()) return {};
  std::vector<std::string> faults;
  std::vector<std::string> mended;
  const bool replicated = std::max(found.brokers, found.replicas) >= replicas_wanted;
  for (const auto& wanted : settings_of(keeps, replicated)) {
    const auto is = settings->find(wanted.name);
    if (is == settings->end() || wanted.holds(is->second)) continue;
    faults.push_back(fmt::format("{} is {}, must be {}{}", wanted.name, is->second, wanted.value,
                                 wanted.at_least ? " at least" : ""));
    mended.push_back(fmt::format("{}={}", wanted.name, wanted.value));
  }
  std::string remedy;
  if (!mended.empty()) {
    remedy = fmt::format(
        "\n  kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} "
        "--add-config {}",
        brokers_of(handle), name, fmt::join(mended, ","));
  }
  if (replicated && found.replicas < replicas_wanted) {
    faults.push_back(
        fmt::format("it has {} replicas, must have {} at least", found.replicas, replicas_wanted));
    remedy += "\n  kafka-reassign-partitions.sh gives its partitions more replicas";
  }
  if (faults.empty()) return {};
  return fail(ErrorCode::internal,
              fmt::format("topic {} could lose what was acknowledged, or keep it out: {}. Mend it "
                          "and start again:{}",
                          name, fmt::join(faults, "; "), remedy));
}

Result<void> check_partitions(const std::string& name, const Found& found,
                              std::uint16_t partitions) {
  if (found.partitions == partitions) return {};
  return fail(ErrorCode::internal,
              fmt::format("topic {} has {} partitions among the brokers, the log says {}: point "
                          "it at the brokers that hold this log",
                          name, found.partitions, partitions));
}

/// The brokers hear of a new topic one after the other.
Result<Found> look_until(rd_kafka_t* handle, const std::string& name,
                         std::chrono::milliseconds within,
                         std::chrono::steady_clock::time_point deadline) {
  while (true) {
    auto found = look(handle, name, within);
    if (!found || found->partitions > 0 || std::chrono::steady_clock::now() >= deadline) {
      return found;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

bool is_of_product(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return name != "log" && name != "keyring" && name != "cluster" && !name.contains('.');
}

}  // namespace

Result<bool> topic_exists(rd_kafka_t* handle, const std::string& name,
                          std::chrono::milliseconds within) {
  const auto found = look(handle, name, within);
  if (!found) return fail(found.error());
  return found->partitions > 0;
}

Result<void> provide_topic(rd_kafka_t* handle, const std::string& name, std::uint16_t partitions,
                           std::chrono::milliseconds within, Keeps keeps) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  auto found = look(handle, name, within);
  if (!found) return fail(std::move(found).error());
  const bool was_there = found->partitions > 0;
  if (!was_there) {
    auto made = make_topic(handle, name, partitions, keeps, found->brokers, within);
    if (!made) return made;
  }
  found = look_until(handle, name, within, deadline);
  if (!found) return fail(std::move(found).error());
  if (auto checked = check_partitions(name, *found, partitions); !checked) return checked;
  return was_there ? check_settings(handle, name, *found, keeps, within) : Result<void>();
}

Result<void> check_topic(rd_kafka_t* handle, const std::string& name, std::uint16_t partitions,
                         std::chrono::milliseconds within, Keeps keeps) {
  const auto deadline = std::chrono::steady_clock::now() + std::min(within, heard_within);
  const auto found = look_until(handle, name, within, deadline);
  if (!found) return fail(found.error());
  if (found->partitions == 0) {
    return fail(ErrorCode::read_only,
                fmt::format("there is no topic {} among the brokers {}: it was deleted, or they "
                            "are others than before; it is not made anew: point at the brokers "
                            "that hold this log, or restore the topic with all its records",
                            name, brokers_of(handle)));
  }
  if (auto checked = check_partitions(name, *found, partitions); !checked) return checked;
  return check_settings(handle, name, *found, keeps, within);
}

Result<std::optional<std::string>> written_topic(rd_kafka_t* handle, const std::string& prefix,
                                                 std::chrono::milliseconds within) {
  const auto metadata = ask(handle, nullptr, within);
  if (!metadata) return fail(metadata.error());
  const std::span topics((*metadata)->topics, static_cast<std::size_t>((*metadata)->topic_cnt));
  for (const auto& topic : topics) {
    const std::string name(topic.topic);
    if (topic.partition_cnt == 0 || !is_of_product(name, prefix)) continue;
    const auto ends =
        ends_of(handle, name, static_cast<std::uint16_t>(topic.partition_cnt), within);
    if (!ends) return fail(ends.error());
    if (std::ranges::any_of(*ends, [](auto end) { return end > 0; })) return name;
  }
  return std::nullopt;
}

std::string cluster_of(rd_kafka_t* handle) {
  auto* told = rd_kafka_clusterid(handle, 0);
  if (told == nullptr) return {};
  std::string cluster(told);
  rd_kafka_mem_free(handle, told);
  return cluster;
}

Result<std::vector<schemas::Offset>> ends_of(rd_kafka_t* handle, const std::string& name,
                                             std::uint16_t partitions,
                                             std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  const auto milliseconds = static_cast<int>(within.count());
  for (;;) {
    const Partitions asked(rd_kafka_topic_partition_list_new(partitions));
    for (std::uint16_t i = 0; i < partitions; ++i) {
      // A time of -1 asks for the end (ListOffsets in Kafka's protocol).
      rd_kafka_topic_partition_list_add(asked.get(), name.c_str(), i)->offset = -1;
    }
    auto code = rd_kafka_offsets_for_times(handle, asked.get(), milliseconds);
    std::vector<schemas::Offset> ends;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < asked->cnt; ++i) {
      code = asked->elems[i].err;
      ends.push_back(static_cast<schemas::Offset>(asked->elems[i].offset));
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return ends;
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(to_error("asking where topic " + name + " ends", code));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    // Whoever was the leader is asked, until an answer about all topics says who is one now.
    static_cast<void>(ask(handle, nullptr, std::min(within, std::chrono::milliseconds(1'000))));
  }
}

}  // namespace eventstore::kafka
