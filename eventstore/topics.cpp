#include "eventstore/topics.h"

#include <algorithm>
#include <mutex>

namespace eventstore {

std::optional<TopicId> Topics::find(std::string_view product) const {
  std::shared_lock lock(mutex_);
  for (const auto& [id, topic] : topics_) {
    if (topic.name == product) return id;
  }
  return std::nullopt;
}

std::string Topics::name(TopicId topic) const {
  std::shared_lock lock(mutex_);
  auto found = topics_.find(topic);
  return found == topics_.end() ? std::string() : found->second.name;
}

std::vector<Topic> Topics::all() const {
  std::shared_lock lock(mutex_);
  std::vector<Topic> topics;
  for (const auto& [id, topic] : topics_) topics.push_back(topic);
  return topics;
}

std::optional<std::string> Topics::moved_to() const {
  std::shared_lock lock(mutex_);
  return moved_to_;
}

TopicId Topics::next_id() const {
  std::shared_lock lock(mutex_);
  auto last = topics_.empty() ? log_topic : topics_.rbegin()->first;
  return TopicId{static_cast<std::uint16_t>(static_cast<std::uint16_t>(last) + 1)};
}

bool Topics::has_room() const {
  std::shared_lock lock(mutex_);
  const std::size_t of_log = 1;
  return (topics_.size() + 1) * partitions_ + of_log <= partitions_max;
}

void Topics::apply(const schemas::Control& control) {
  std::unique_lock lock(mutex_);
  if (const auto* identity = std::get_if<schemas::LogIdentity>(&control)) {
    partitions_ = identity->partitions;
    log_id_ = identity->id;
  }
  if (const auto* moved = std::get_if<schemas::Moved>(&control)) moved_to_ = moved->to;
  if (const auto* added = std::get_if<schemas::TopicAdded>(&control)) {
    topics_.emplace(added->topic, Topic{added->topic, added->name, partitions_});
  }
}

/// A number that was given twice would fold two products into one.
schemas::Result<void> Topics::agree(const schemas::Control& control) const {
  const auto* added = std::get_if<schemas::TopicAdded>(&control);
  if (added == nullptr) return {};
  const auto known = name(added->topic);
  if (known.empty() || known == added->name) return {};
  return schemas::fail(schemas::ErrorCode::read_only,
                       "tm.log gives topic " + std::to_string(static_cast<unsigned>(added->topic)) +
                           " to '" + known + "' and again to '" + added->name +
                           "': which events are whose cannot be told; restore a backup");
}

schemas::Result<void> Topics::follow(const StoredRecord& record) {
  if (record.offset < folded_.next_offset) return {};
  const auto payload = record.payload.bytes();
  if (record.after_loss) folded_.lose();
  const auto verdict = folded_.apply(record.offset, record.head, payload);
  if (verdict == Verdict::fork || verdict == Verdict::malformed) {
    return schemas::fail(schemas::ErrorCode::read_only,
                         "tm.log offset " + std::to_string(record.offset) + " is a " +
                             std::string(to_text(verdict)) +
                             ": which topics there are cannot be told; run `tidemark log verify`");
  }
  if (verdict != Verdict::control) return {};
  auto control = schemas::read_control(payload);
  if (!control) return {};
  auto agreed = agree(*control);
  if (agreed) apply(*control);
  return agreed;
}

void end_if_moved(Log& log, const Topics& topics) {
  const auto to = topics.moved_to();
  if (!to) return;
  log.turn_read_only({schemas::ErrorCode::read_only,
                      "this log has moved to " + *to + "; what is written goes there",
                      {},
                      {}});
}

namespace {

schemas::Result<void> fold_topics(Log& log, Topics& topics) {
  auto cursor = log.read({{log_partition, 0}});
  if (!cursor) return std::unexpected(std::move(cursor).error());
  // Not to the end of the log: what comes behind the last of these few records is all the rest.
  const auto end = log.durable_end(log_partition);
  for (Offset next = 0; next < end;) {
    auto record = (*cursor)->next();
    if (!record) return std::unexpected(std::move(record).error());
    if (!*record) break;
    auto followed = topics.follow(**record);
    if (!followed) return followed;
    next = (*record)->offset + 1;
  }
  return {};
}

}  // namespace

schemas::Result<void> load_topics(Log& log, Topics& topics, NoLog no_log) {
  // Before tm.log is read: a topic that others write now was named there before.
  const auto written = log.written_topic();
  if (!written) return std::unexpected(written.error());
  const Topic own{log_topic, "log", 1};
  if (no_log == NoLog::is_made && !*written) {
    if (auto made = log.make_topic(own, MayHold::records); !made) return made;
  }
  auto opened = log.open_topic(own);
  if (!opened) return opened;
  if (auto folded = fold_topics(log, topics); !folded) return folded;
  if (*written && topics.partition_count() == 0) {
    return schemas::fail(schemas::ErrorCode::read_only,
                         "topic " + **written +
                             " holds records and tm.log names nothing: it was lost, or a copy to "
                             "here was interrupted; restore it, end the copy, or name another "
                             "prefix of topics for a new log");
  }
  for (const auto& topic : topics.all()) {
    opened = log.open_topic(topic);
    if (!opened) return opened;
  }
  end_if_moved(log, topics);
  return {};
}

}  // namespace eventstore
