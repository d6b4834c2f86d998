#include "api/cli/explain.h"

#include <fmt/format.h>

#include "api/cli/offline.h"
#include "api/resources/event_json.h"
#include "eventstore/claims.h"
#include "schemas/time.h"

namespace api::cli {
namespace {

using eventstore::StoredRecord;
using eventstore::Verdict;

/// The log that holds the row's events, and whose they are.
struct Place {
  schemas::LogId log;
  schemas::OrganizationId organization = schemas::platform_organization;
  schemas::Space space = schemas::Space::live;
};

Step<Place> place_of(const Settings& settings, const eventstore::Topics& topics,
                     const Explained& row) {
  Place place;
  if (settings.organization) {
    const auto organization = schemas::parse_organization(*settings.organization);
    if (!organization) {
      return stop(Exit::usage, fmt::format("--organization: \"{}\" is no organization's id (org_…)",
                                           *settings.organization));
    }
    place.organization = *organization;
  }
  place.space = settings.space.value_or(schemas::Space::live);
  const auto topic = topics.find(row.product);
  if (!topic) {
    return stop(Exit::usage, fmt::format("PRODUCT: the log knows no product \"{}\"", row.product));
  }
  place.log = topics.log_of(*topic, place.organization);
  return place;
}

/// What a row is made of, as text for people or as CloudEvents.
class Events {
 public:
  Events(const Explained& row, const Place& place, bool json)
      : row_(row), place_(place), json_(json) {}

  void take(const StoredRecord& record) {
    const auto batch = schemas::BatchView::trusted(record.payload.bytes());
    if (batch.organization() != place_.organization || batch.space() != place_.space) return;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
      const auto event = batch.event(i);
      if (event.kind() != row_.kind || entity_text(event.kind(), event.entity()) != row_.id)
        continue;
      std::string text;
      // Without the keyring nothing fails.
      (void)resources::append_event(text, batch, i, row_.product, {}, nullptr);
      if (json_) {
        fmt::print("{}{}", count_ == 0 ? "[" : ",\n ", text);
      } else {
        fmt::print("{:>10}  {}  version {:<5} {}  by {}\n            {}\n", record.offset,
                   schemas::to_text(batch.recorded()), to_number(event.version()), event.type(),
                   to_text(batch.actor()), text);
      }
      ++count_;
    }
  }
  void end() const {
    if (json_) fmt::print("{}]\n", count_ == 0 ? "[" : "");
    if (!json_) fmt::print(stderr, "{} events\n", count_);
  }
  std::uint64_t count() const { return count_; }

 private:
  const Explained& row_;
  const Place& place_;
  const bool json_;
  std::uint64_t count_ = 0;
};

}  // namespace

Step<void> explain(const SettingFlags& flags, const Explained& row, bool json) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  auto beside = open_beside(configuration->settings);
  if (!beside) return std::unexpected(std::move(beside).error());
  auto place = place_of(configuration->settings, (*beside)->topics, row);
  if (!place) return std::unexpected(std::move(place).error());
  auto cursor = (*beside)->log->read({{place->log, 0}});
  if (!cursor) return stop(cursor.error());
  Events events(row, *place, json);
  eventstore::PartitionState state;
  while (true) {
    auto record = (*cursor)->next();
    if (!record) return stop(record.error());
    if (!*record) break;
    if ((*record)->after_loss) state.lose();
    const auto& head = (*record)->head;
    const auto verdict = state.apply((*record)->offset, head, (*record)->payload.bytes());
    if (verdict == Verdict::events) events.take(**record);
  }
  events.end();
  if (events.count() > 0) return {};
  return stop(Exit::failed,
              fmt::format("no event made {} \"{}\" of product {} there: look at --organization, "
                          "--space and the spelling",
                          row.kind, row.id, row.product));
}

}  // namespace api::cli
