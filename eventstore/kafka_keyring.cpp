#include "eventstore/kafka_keyring.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eventstore/kafka_cursor.h"
#include "eventstore/kafka_topics.h"

namespace eventstore::kafka {
namespace {

using namespace std::chrono_literals;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

constexpr auto between_tries = 100ms;
/// An empty answer says where the topic ends; it comes after so long.
constexpr auto until_end_is_told = 5ms;
constexpr LogId only_partition{TopicId{0}, 0};

Options for_keyring(Options options) {
  options.fetch_wait = until_end_is_told;
  return options;
}

/// One that no other try has.
std::string new_name(const StoredKeys& keys) {
  std::vector<std::uint32_t> ids;
  for (const auto& key : keys.keys) ids.push_back(key.id);
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return fmt::format("{}.{}", fmt::join(ids, ","),
                     schemas::typeid_text("keyring", schemas::make_uuid(now)));
}

/// What became of the one record that is on its way.
struct Report {
  std::optional<rd_kafka_resp_err_t> code;
};
void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  static_cast<Report*>(message->_private)->code = message->err;
}

/// Reads one partition from its beginning to where it ends now, or until `take` says no.
template <typename Take>
Result<void> read_all(const Options& options, const std::string& topic, Take take) {
  auto fetcher = Fetcher::make(options);
  if (!fetcher) return fail(std::move(fetcher).error());
  const auto ends = ends_of((*fetcher)->handle(), topic, 1, options.answer_within);
  if (!ends) return fail(ends.error());
  if (auto started = (*fetcher)->start(only_partition, topic, 0); !started) return started;
  for (schemas::Offset next = 0; next < ends->front();) {
    auto fetched = (*fetcher)->next(options.answer_within);
    if (!fetched) return fail(std::move(fetched).error());
    if (!*fetched) return no_answer();
    const auto& [log, offset, message] = **fetched;
    if (message && !take(*message)) return {};
    next = message ? offset + 1 : offset;
  }
  return {};
}

/// A new one only for a new keyring, and not at a place that the operator named.
Result<RootKey> root_key_for(FileSystem& files, const KeyringPlace& place, const std::string& topic,
                             bool keys_exist) {
  const auto path = place.root_key_path();
  auto found = read_root_key(files, path);
  if (!found) return fail(std::move(found).error());
  if (*found) return std::move(**found);
  if (keys_exist) {
    return fail(ErrorCode::root_key_missing,
                fmt::format("there is no root key {}, and the keyring in topic {} cannot be opened "
                            "without the one it was made with; every process needs the same: copy "
                            "it from one that runs, or name its place",
                            path, topic));
  }
  if (place.root_key) {
    return fail(ErrorCode::internal,
                fmt::format("there is no root key {}; put it there, or make one for a new log: "
                            "(umask 077; openssl rand -hex 32 > {})",
                            path, path));
  }
  return make_root_key(files, path);
}

std::unexpected<schemas::Error> has_new_root(const std::string& topic) {
  return fail(
      ErrorCode::root_key_missing,
      "the keyring in topic " + topic + " has a new root key; start this process again with it");
}

/// The topic as a server asks it: seldom, so that nothing stays open for it. `root` is what the
/// server has opened it with.
class TopicPlace final : public KeyPlace {
 public:
  TopicPlace(const Options& options, const Fingerprint& root) : options_(options), root_(root) {}

  Result<StoredKeys> read() override {
    auto topic = KeyringTopic::open(options_);
    if (!topic) return fail(std::move(topic).error());
    auto reading = (*topic)->read();
    if (!reading) return fail(std::move(reading).error());
    if (!reading->keys) {
      return fail(ErrorCode::internal, "topic " + (*topic)->name() + " holds no keys any more");
    }
    if (reading->keys->root == root_) return std::move(*reading->keys);
    return has_new_root((*topic)->name());
  }
  Result<StoredKeys> add(const Make& make) override {
    auto topic = KeyringTopic::open(options_);
    if (!topic) return fail(std::move(topic).error());
    return (*topic)->add(root_, make);
  }

 private:
  const Options options_;
  const Fingerprint root_;
};

/// What a rotation's record says it was made of.
std::string rotation_of(const StoredKeys& keys) {
  return fmt::format("rotated.{:02x}.{}.", fmt::join(keys.root, ""), keys.keys.back().id);
}

}  // namespace

Result<KeyringReading> judge(std::span<const KeyringRecord> records) {
  KeyringReading reading;
  for (const auto& [name, value] : records) {
    if (value.empty()) continue;  // what is deleted does not count anyway
    auto stored = decode_keys(value);
    if (!stored) {
      return fail(ErrorCode::internal, fmt::format("record {}: {}", name, stored.error().detail));
    }
    if (name.starts_with("rotated.")) {
      if (!reading.keys || !name.starts_with(rotation_of(*reading.keys))) continue;
      reading.keys = std::move(*stored);
      reading.names.push_back(name);
      continue;
    }
    if (!reading.keys) reading.keys = StoredKeys{stored->root, {}};
    // Keys under another root key could not be opened by those who have this one.
    if (stored->root != reading.keys->root) continue;
    bool counts = false;
    for (const auto& key : stored->keys) {
      auto& known = reading.keys->keys;
      const auto place = std::ranges::lower_bound(known, key.id, {}, &StoredKey::id);
      if (place != known.end() && place->id == key.id) continue;
      known.insert(place, key);
      counts = true;
    }
    if (counts) reading.names.push_back(name);
  }
  return reading;
}

KeyringTopic::KeyringTopic(const Options& options)
    : options_(for_keyring(options)), name_(options.topic_prefix + "keyring") {}

Result<std::unique_ptr<KeyringTopic>> KeyringTopic::open(const Options& options, Missing missing) {
  std::unique_ptr<KeyringTopic> topic(new KeyringTopic(options));
  auto admin = make_consumer(topic->options_);
  if (!admin) return fail(std::move(admin).error());
  topic->admin_ = std::move(*admin);
  const auto as_it_must_be = missing == Missing::is_made ? provide_topic : check_topic;
  auto provided = as_it_must_be(topic->admin_.get(), topic->name_, 1, options.answer_within,
                                Keeps::last_of_key);
  if (!provided) return fail(std::move(provided).error());
  // One that was asked for before it was there is asked for again after a second only.
  auto sender = make_sender(topic->options_, Acks::all, on_report, nullptr);
  if (!sender) return fail(std::move(sender).error());
  topic->sender_ = std::move(*sender);
  topic->to_.reset(rd_kafka_topic_new(topic->sender_.get(), topic->name_.c_str(), nullptr));
  return topic;
}

Result<KeyringReading> KeyringTopic::read() {
  std::vector<KeyringRecord> records;
  auto read = read_all(options_, name_, [&](const rd_kafka_message_t& message) {
    const auto* value = static_cast<const std::uint8_t*>(message.payload);
    records.push_back({std::string(static_cast<const char*>(message.key), message.key_len),
                       {value, value + message.len}});
    return true;
  });
  if (!read) return fail(std::move(read).error());
  auto judged = judge(records);
  if (judged) return judged;
  return fail(judged.error().code,
              fmt::format("the keyring in topic {} cannot be read: {}; delete that record if it "
                          "is not Tidemark's, or use the version that wrote it",
                          name_, judged.error().detail));
}

Result<void> KeyringTopic::write(const KeyringRecord& record) {
  Report report;
  const bool queued =
      rd_kafka_produce(to_.get(), 0, RD_KAFKA_MSG_F_COPY,
                       record.value.empty() ? nullptr : std::bit_cast<void*>(record.value.data()),
                       record.value.size(), record.name.data(), record.name.size(), &report) == 0;
  if (!queued) return fail(to_error("writing " + name_, rd_kafka_last_error()));
  // It is reported once its time is over, which is not longer than this; what it is reported to
  // must not go before.
  while (!report.code) rd_kafka_poll(sender_.get(), 100);
  if (*report.code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail(to_error("writing " + name_, *report.code));
}

Result<StoredKeys> KeyringTopic::found(const StoredKeys& candidate) {
  const auto deadline = std::chrono::steady_clock::now() + options_.answer_within;
  std::vector<std::string> mine;
  std::optional<schemas::Error> failure;  // of the last try
  while (true) {
    auto reading = read();
    if (!reading) return fail(std::move(reading).error());
    // A try of ours that all replicas in sync have tells that they have what is before it, too.
    if (reading->keys && !failure) {
      for (const auto& name : mine) {
        if (std::ranges::find(reading->names, name) == reading->names.end()) {
          static_cast<void>(write({name, {}}));  // only tidiness
        }
      }
      return std::move(*reading->keys);
    }
    if (failure && std::chrono::steady_clock::now() > deadline) {
      failure->detail +=
          "; the keyring needs its replicas in sync: start the brokers that are down";
      return fail(std::move(*failure));
    }
    mine.push_back(new_name(candidate));
    auto written = write({mine.back(), encode_keys(candidate)});
    failure = written ? std::nullopt : std::optional(std::move(written).error());
    if (failure) std::this_thread::sleep_for(between_tries);
  }
}

Result<StoredKeys> KeyringTopic::add(const Fingerprint& root, const KeyPlace::Make& make) {
  const auto deadline = std::chrono::steady_clock::now() + options_.answer_within;
  while (true) {
    auto reading = read();
    if (!reading) return fail(std::move(reading).error());
    if (!reading->keys) return fail(ErrorCode::internal, "topic " + name_ + " holds no keys");
    if (reading->keys->root != root) return has_new_root(name_);
    const StoredKeys one{root, {make(reading->keys->keys.back().id + 1)}};
    const auto name = new_name(one);
    auto written = write({name, encode_keys(one)});
    reading = written ? read() : fail(std::move(written).error());
    if (!reading) return fail(std::move(reading).error());
    const bool counts = std::ranges::find(reading->names, name) != reading->names.end();
    // Under a root key that came since, it is among those that this process cannot open.
    if (counts && reading->keys->root != root) return has_new_root(name_);
    if (counts) return std::move(*reading->keys);
    static_cast<void>(write({name, {}}));  // another process has taken the id
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(ErrorCode::no_owner,
                  "others write keys to " + name_ + " all the time; try again");
    }
  }
}

Result<void> KeyringTopic::rotate(const StoredKeys& before, const StoredKeys& after) {
  const auto name = rotation_of(before) + new_name({after.root, {}});
  auto written = write({name, encode_keys(after)});
  auto reading = written ? read() : fail(std::move(written).error());
  if (!reading) return fail(std::move(reading).error());
  const bool counts = std::ranges::find(reading->names, name) != reading->names.end();
  if (counts && reading->keys->root == after.root) return {};
  if (!counts) static_cast<void>(write({name, {}}));
  return fail(ErrorCode::no_owner,
              "others have written to " + name_ + " meanwhile; stop every process and try again");
}

Result<bool> KeyringTopic::log_has_records() {
  const auto topic = options_.topic_prefix + "log";
  const auto product = written_topic(admin_.get(), options_.topic_prefix, options_.answer_within);
  if (!product) return fail(product.error());
  if (*product) return true;
  const auto exists = topic_exists(admin_.get(), topic, options_.answer_within);
  if (!exists || !*exists) return exists;
  bool has_one = false;
  auto read = read_all(options_, topic, [&](const rd_kafka_message_t&) {
    has_one = true;
    return false;
  });
  if (!read) return fail(std::move(read).error());
  return has_one;
}

Result<Keyring> open_or_create_keyring(const Options& options, FileSystem& files,
                                       const KeyringPlace& place) {
  auto topic = KeyringTopic::open(options);
  if (!topic) return fail(std::move(topic).error());
  // The log first: its first record comes after the first keys.
  const auto is_used = (*topic)->log_has_records();
  if (!is_used) return fail(is_used.error());
  auto reading = (*topic)->read();
  if (!reading) return fail(std::move(reading).error());
  auto& keys = reading->keys;
  if (*is_used && !keys) {
    return fail(ErrorCode::internal,
                fmt::format("topic {} is empty beside a log that has records; with new keys every "
                            "mark would be foreign: restore the topic from where the log came from",
                            (*topic)->name()));
  }
  if (keys) {
    auto ended = finish_rotation(files, place.root_key_path(), keys->root);
    if (!ended) return fail(std::move(ended).error());
  }
  auto root = root_key_for(files, place, (*topic)->name(), keys.has_value());
  if (!keys) {
    if (!root) return fail(std::move(root).error());
    auto founded = (*topic)->found(first_keys(*root));
    if (!founded) return fail(std::move(founded).error());
    keys = std::move(*founded);
  }
  const auto fingerprint = keys->root;
  return Keyring::open(files, place.directory,
                       {.stored = std::move(*keys),
                        .root = std::move(root),
                        .place = std::make_unique<TopicPlace>(options, fingerprint),
                        .where = "in topic " + (*topic)->name(),
                        .hint = "every process needs the same root key: put the one there that the "
                                "others use, or name its place"});
}

Result<KeyRotation> rotate_root_key(const Options& options, FileSystem& files,
                                    const KeyringPlace& place) {
  auto topic = KeyringTopic::open(options, KeyringTopic::Missing::is_an_error);
  if (!topic) return fail(std::move(topic).error());
  const auto reading = (*topic)->read();
  if (!reading) return fail(reading.error());
  const auto where = "topic " + (*topic)->name();
  if (!reading->keys) return fail(ErrorCode::not_found, where + " holds no keys");
  const auto& before = *reading->keys;
  const auto replace = [&](const StoredKeys& after) { return (*topic)->rotate(before, after); };
  auto done = eventstore::rotate_root_key(files, place, {before, where, replace});
  if (!done) return done;
  // Opens it once, so that the service keys are of this keyring too.
  auto opened = open_or_create_keyring(options, files, place);
  if (!opened) return fail(std::move(opened).error());
  return done;
}

}  // namespace eventstore::kafka
