#include "api/resources/dry_run.h"

#include <chrono>
#include <map>
#include <set>

#include "api/resources/parse.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/reading.h"
#include "api/resources/sealed_fields.h"
#include "eventstore/clock.h"
#include "manager/manifest.h"
#include "projections/evolve.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using manager::Manifest;
using projections::Declared;
using schemas::Entity;
using schemas::json::Writer;

// What one run may take; what is beyond is left out, and the answer says so.
constexpr std::size_t state_bytes_max = std::size_t{64} << 20;
constexpr std::chrono::seconds time_max{10};
constexpr std::size_t samples_max = 20;
constexpr std::size_t entity_bytes = 200;  // of maps, roughly

struct Counts {
  std::size_t events = 0, rows = 0, added = 0, removed = 0, changed = 0;
  std::size_t not_applied = 0, schema_violations = 0, unique_violations = 0;
};

/// Folds a history by another manifest beside the rows, and tells what is different. Nothing is
/// written; one thread.
class DryRun {
 public:
  DryRun(const Services& services, const Reading& reading, std::string_view product,
         const Manifest& manifest)
      : services_(services),
        reading_(reading),
        product_(product),
        manifest_(manifest),
        end_(eventstore::system_clock().monotonic() + time_max) {}

  Result<std::string> run() {
    auto folded = fold();
    if (!folded) return std::unexpected(std::move(folded).error());
    for (const auto& [kind, entities] : states_) {
      for (const auto& [entity, state] : entities) compare(kind, entity, state);
      find_doubles(kind, entities);
    }
    if (!opened_) return std::unexpected(std::move(opened_).error());
    return answer();
  }

 private:
  using States = std::map<std::string, std::optional<Declared>, std::less<>>;

  Result<void> fold() {
    const auto& place = reading_.place();
    const auto log = services_.topics.log_of(place.topic, place.organization);
    Result<void> done;
    const auto first = projections::record_key(place.organization, place.space, place.topic, 0);
    const auto last =
        projections::record_key(place.organization, place.space, place.topic, ~schemas::Offset{0});
    reading_.rows().scan(first, projections::prefix_end(last), [&](std::string_view key, auto) {
      const auto offset = projections::read_u64(key.substr(key.size() - 8));
      truncated_ = bytes_ > state_bytes_max || eventstore::system_clock().monotonic() > end_;
      if (truncated_) return false;
      auto record = services_.log.read_one(log, offset);
      if (!record) {
        done = std::unexpected(std::move(record).error());
        return false;
      }
      const auto batch = schemas::BatchView::trusted(record->payload.bytes());
      for (std::uint32_t i = 0; i < batch.event_count(); ++i) apply(batch.event(i), batch);
      looked_to_ = static_cast<std::int64_t>(offset);
      return true;
    });
    return done;
  }

  void apply(const schemas::EventView& event, const schemas::BatchView& batch) {
    const auto data = event.data();
    const auto* json = std::get_if<schemas::Json>(&data);
    if (json == nullptr) return;
    auto& counts = counts_[std::string(event.kind())];
    ++counts.events;
    const auto entity = event.entity();
    auto [known, first] = states_[std::string(event.kind())].try_emplace(entity.name);
    if (first) bytes_ += entity_bytes + entity.name.size();
    auto kind = manifest_.kinds().find(event.kind());
    const auto* type =
        kind == manifest_.kinds().end() ? nullptr : kind->second.written_as(event.type());
    if (type == nullptr) {
      ++counts.not_applied;
      return problem(event, "the manifest declares no type " + std::string(event.type()));
    }
    const auto clear = [&] { return shown(event.kind(), entity.name, json->text); };
    if (auto fault = type->second.schema ? schema_fault(type->second, clear()) : std::nullopt) {
      ++counts.schema_violations;
      problem(event, *fault);
    }
    auto& state = known->second;
    bytes_ -= state ? state->json.size() : 0;
    auto after = projections::evolve(std::move(state), schemas::Json{json->text, type->second.fold},
                                     {batch.recorded()});
    state = after ? std::move(*after) : std::nullopt;
    bytes_ += state ? state->json.size() : 0;
  }

  /// As answers show it; what does not open is told at the end.
  std::string shown(std::string_view kind, std::string_view entity, std::string_view json) {
    const auto& place = reading_.place();
    auto opened = open_sealed(services_.sealing,
                              {place.organization, place.space, product_, kind, entity}, json);
    if (opened) return std::move(*opened);
    opened_ = std::unexpected(std::move(opened).error());
    return "null";
  }

  static std::optional<std::string> schema_fault(const Manifest::Type& type,
                                                 std::string_view json) {
    if (!type.schema) return std::nullopt;
    auto data = schemas::json::parse(json);
    if (!data) return std::nullopt;
    const auto faults = type.schema->check(data->root(), "/data");
    if (faults.empty()) return std::nullopt;
    return faults.front().where + " " + faults.front().detail;
  }

  void problem(const schemas::EventView& event, const std::string& detail) {
    if (++problem_count_ > samples_max) return;
    if (!problems_.empty()) problems_.push_back(',');
    Writer(problems_)
        .begin_object()
        .member("kind", event.kind())
        .member("entity", event.entity().name)
        .member("version", to_number(event.version()))
        .member("detail", detail)
        .end_object();
  }

  void compare(const std::string& kind, const std::string& entity,
               const std::optional<Declared>& after) {
    auto row =
        reading_.reader().find_as_of(reading_.place().topic, kind, Entity{{}, entity}, looked_to_);
    std::optional<std::string> before;
    // Only where the run ended early: what was then is not kept.
    if (row && projections::decode_head(*row, nullptr).trimmed) return;
    if (row) before = projections::decode_row<Declared>(*row).state.json;
    auto& counts = counts_[kind];
    counts.rows += before ? 1 : 0;
    if (!before && !after) return;
    if (before && after && same(*before, after->json)) return;
    ++(!before ? counts.added : !after ? counts.removed : counts.changed);
    if (++difference_count_ > samples_max) return;
    if (!differences_.empty()) differences_.push_back(',');
    Writer(differences_)
        .begin_object()
        .member("kind", kind)
        .member("entity", entity)
        .name("before")
        .raw(shown(kind, entity, before.value_or("null")))
        .name("after")
        .raw(shown(kind, entity, after ? after->json : "null"))
        .end_object();
  }

  static bool same(const std::string& one, const std::string& other) {
    if (one == other) return true;
    auto a = schemas::json::parse(one);
    auto b = schemas::json::parse(other);
    return a && b && a->root() == b->root();
  }

  void find_doubles(const std::string& kind_name, const States& entities) {
    auto kind = manifest_.kinds().find(kind_name);
    if (kind == manifest_.kinds().end()) return;
    for (const auto& rule : kind->second.unique) {
      std::set<std::string> taken;
      for (const auto& [entity, state] : entities) {
        auto document = state ? std::optional(schemas::json::parse(state->json)) : std::nullopt;
        if (!document || !*document) continue;
        auto value = projections::index_value((*document)->root(), rule);
        if (value && !taken.insert(*value).second) ++counts_[kind_name].unique_violations;
      }
    }
  }

  std::string answer() const {
    std::string json;
    Writer writer(json);
    writer.begin_object().name("kinds").begin_array();
    for (const auto& [kind, counts] : counts_) {
      writer.begin_object()
          .member("kind", kind)
          .member("events", counts.events)
          .member("rows", counts.rows)
          .member("added", counts.added)
          .member("removed", counts.removed)
          .member("changed", counts.changed)
          .member("not_applied", counts.not_applied)
          .member("schema_violations", counts.schema_violations)
          .member("unique_violations", counts.unique_violations)
          .end_object();
    }
    writer.end_array();
    writer.name("differences").raw("[" + differences_ + "]");
    writer.name("problems").raw("[" + problems_ + "]");
    writer.member("truncated", truncated_).end_object();
    return json;
  }

  const Services& services_;
  const Reading& reading_;
  std::string_view product_;
  const Manifest& manifest_;
  eventstore::MonotonicTime end_;
  std::map<std::string, States, std::less<>> states_;
  std::map<std::string, Counts, std::less<>> counts_;
  std::size_t bytes_ = 0;
  std::int64_t looked_to_ = -1;
  bool truncated_ = false;
  std::size_t problem_count_ = 0;
  std::size_t difference_count_ = 0;
  std::string problems_;
  std::string differences_;
  Result<void> opened_;
};

}  // namespace

// POST /v2/products/{product}/dry-run
Answer dry_run_product(Ask& ask) {
  auto place = product_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  auto manifest = Manifest::parse(schemas::json::minify(ask.body()), 0);
  if (!manifest) co_return std::unexpected(std::move(manifest).error());
  auto reading = co_await open_reading(ask, *place, View::snapshot);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  auto run = [&] {
    return DryRun(ask.services, *reading, ask.request.captured("product"), *manifest).run();
  };
  auto json = co_await answer_on(ask.services.scans, run);
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return http::json_response(200, std::move(*json));
}

}  // namespace api::resources
