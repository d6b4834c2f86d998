#include "api/resources/operations.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/http/problem.h"
#include "api/resources/ask.h"
#include "api/resources/metrics.h"
#include "api/resources/reading.h"
#include "api/resources/stream_hub.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::resources {
namespace {

using schemas::json::Writer;

/// Where one partition's log and rows end.
struct Ends {
  schemas::LogId log;
  schemas::Offset log_end;
  eventstore::PartitionState applied;

  schemas::Offset lag() const {
    return log_end > applied.next_offset ? log_end - applied.next_offset : 0;
  }
};

/// The partitions of a product that hold anything, by number.
std::vector<Ends> ends_of(const Services& services, TopicId topic) {
  std::vector<Ends> ends;
  for (auto log : services.log.partitions()) {
    if (log.topic != topic) continue;
    // The rows first: what they have not is then never counted as ahead.
    auto applied = services.progress.applied(log);
    ends.push_back({log, services.log.durable_end(log), applied});
  }
  std::ranges::sort(ends, {}, &Ends::log);
  return ends;
}

/// Who says that it writes what.
using Owners = std::map<schemas::LogId, std::string>;
Owners owners_of(const std::vector<eventstore::Heartbeat>& processes) {
  Owners owners;
  for (const auto& process : processes) {
    for (const auto log : process.owned) owners[log] = process.name;
  }
  return owners;
}

void write_partition(Writer& writer, const Ends& ends, const Owners& owners) {
  std::optional<schemas::Time> recorded;
  if (ends.applied.last_offset >= 0) recorded = ends.applied.recorded;
  std::optional<std::string> epoch;
  if (ends.applied.epoch.offset >= 0) {
    epoch = fmt::format("{}:{:016x}", ends.applied.epoch.offset, ends.applied.epoch.nonce);
  }
  std::optional<std::string> owner;
  if (const auto found = owners.find(ends.log); found != owners.end()) owner = found->second;
  writer.begin_object()
      .member("partition", ends.log.partition)
      .member("log_end", ends.log_end)
      .member("applied_end", ends.applied.next_offset)
      .member("lag", ends.lag())
      .member("recorded_time", recorded)
      .member("epoch", epoch)
      .member("owner", owner)
      .end_object();
}

void write_product(Writer& writer, std::string_view name, const std::vector<Ends>& ends,
                   const Owners& owners) {
  schemas::Offset log_end = 0;
  schemas::Offset lag = 0;
  for (const auto& one : ends) {
    log_end += one.log_end;
    lag += one.lag();
  }
  writer.begin_object().member("name", name).member("log_end", log_end).member("lag", lag);
  writer.name("partitions").begin_array();
  for (const auto& one : ends) write_partition(writer, one, owners);
  writer.end_array().end_object();
}

std::string_view text_of(eventstore::Heartbeat::State state) {
  using State = eventstore::Heartbeat::State;
  switch (state) {
    case State::serving:
      return "serving";
    case State::leaving:
      return "leaving";
    case State::joining:
      return "joining";
  }
  return "";
}

void write_process(Writer& writer, const eventstore::Heartbeat& process) {
  writer.begin_object()
      .member("name", process.name)
      .member("address", process.address)
      .member("roles", to_text(process.roles))
      .member("state", text_of(process.state))
      .member("owned", process.owned.size())
      .end_object();
}

void write_rows(Writer& writer, const RowsStatus& rows, schemas::Time now) {
  writer.begin_object().member("version", std::uint64_t{rows.version});
  writer.member("generation", std::uint64_t{rows.number});
  writer.name("builds").begin_array();
  for (const auto& build : rows.builds) {
    writer.begin_object()
        .member("version", std::uint64_t{build.version})
        .member("state", build.interrupted(now) ? "interrupted" : "building")
        .member("records", build.records)
        .member("records_total", build.records_total)
        .member("events_per_second", build.events_per_second)
        .end_object();
  }
  writer.end_array().end_object();
}

std::string status_json(const Services& services) {
  std::string json;
  Writer writer(json);
  std::optional<std::string> read_only;
  if (auto error = services.log.read_only()) read_only = error->detail;
  const auto processes = services.processes();
  const auto owners = owners_of(processes);
  writer.begin_object()
      .member("version", services.version)
      .member("log_id", schemas::typeid_text("log", services.topics.log_id()))
      .member("partition_count", services.topics.partition_count())
      .member("read_only", read_only);
  writer.name("products").begin_array();
  for (const auto& topic : services.topics.all()) {
    write_product(writer, topic.name, ends_of(services, topic.id), owners);
  }
  writer.end_array().name("processes").begin_array();
  for (const auto& process : processes) write_process(writer, process);
  writer.end_array().name("projections");
  write_rows(writer, services.rows_status(), services.clock.wall());
  writer.name("void_records").begin_object();
  for (const auto verdict : eventstore::void_verdicts) {
    writer.member(to_text(verdict), services.projector.skipped(verdict));
  }
  writer.end_object().member("streams", services.streams.count()).end_object();
  return json;
}

std::string readiness_json(const Readiness& readiness) {
  std::string json;
  Writer writer(json);
  writer.begin_object().member("ready", readiness.reasons.empty());
  writer.name("reasons").begin_array();
  for (const auto& reason : readiness.reasons) writer.value(reason);
  writer.end_array().name("frozen").begin_array();
  for (const auto& frozen : readiness.frozen) {
    writer.begin_object()
        .member("organization_id", to_text(frozen.organization))
        .member("space", to_text(frozen.space))
        .member("product", frozen.product)
        .member("reason", frozen.reason)
        .end_object();
  }
  writer.end_array().name("degraded").begin_array();
  for (const auto& what : readiness.degraded) writer.value(what);
  writer.end_array().end_object();
  return json;
}

using EndOf = schemas::Offset (*)(const Ends&);
Metrics::ReadMany sum_by_product(const Services& services, EndOf end_of) {
  return [&services, end_of] {
    std::vector<Metrics::Labeled> values;
    for (const auto& topic : services.topics.all()) {
      double sum = 0;
      for (const auto& ends : ends_of(services, topic.id)) sum += static_cast<double>(end_of(ends));
      values.push_back({topic.name, sum});
    }
    return values;
  };
}

}  // namespace

// GET /healthz
Answer healthz(Ask&) {
  co_return http::json_response(200, R"({"status":"ok"})");
}

// GET /readyz
Answer readyz(Ask& ask) {
  const auto readiness = ask.services.readiness();
  co_return http::json_response(readiness.reasons.empty() ? 200 : 503, readiness_json(readiness));
}

// GET /metrics
Answer metrics(Ask& ask) {
  co_return http::text_response(200, "text/plain; version=0.0.4", ask.services.metrics.text());
}

// GET /problems/{name}
Answer problem_page(Ask& ask) {
  const auto* type = http::find_problem_type(ask.request.captured("name"));
  if (type == nullptr) co_return edge::not_found("problem type with this name");
  constexpr std::string_view page = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{0}</title></head>
<body style="font-family:sans-serif;max-width:40em;margin:2em auto;line-height:1.5">
<h1>{0}</h1><p><code>/problems/{1}</code>, HTTP status {2}</p>
<h2>Cause</h2><p>{3}</p><h2>Remedy</h2><p>{4}</p>
</body></html>
)";
  co_return http::text_response(
      200, "text/html; charset=utf-8",
      fmt::format(page, type->title, type->name, http::status_of(type->code), type->cause,
                  type->remedy));
}

// GET /v2/status
Answer status(Ask& ask) {
  auto reading = co_await open_reading(ask, ask.platform(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  co_return http::json_response(200, status_json(ask.services));
}

void watch_services(Metrics& metrics, const Services& services) {
  metrics.gauge("tidemark_streams", "Open event streams",
                [&services] { return static_cast<double>(services.streams.count()); });
  metrics.gauges("tidemark_log_end", "Durable records, all partitions together", "product",
                 sum_by_product(services, [](const Ends& ends) { return ends.log_end; }));
  metrics.gauges("tidemark_projection_lag_records", "Durable records that rows do not show yet",
                 "product", sum_by_product(services, [](const Ends& ends) { return ends.lag(); }));
  metrics.gauge("tidemark_log_read_only", "1 when nothing can be written any more",
                [&services] { return services.log.read_only() ? 1.0 : 0.0; });
}

}  // namespace api::resources
