#include "api/resources/metrics.h"

#include <array>
#include <mutex>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace api::resources {
namespace {

constexpr std::size_t status_classes = 6;  // index is the status' first digit

const prometheus::Histogram::BucketBoundaries seconds{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
const prometheus::Histogram::BucketBoundaries record_counts{1,  2,   4,   8,   16,   32,
                                                            64, 128, 256, 512, 1024, 4096};

struct Route {
  std::array<prometheus::Counter*, status_classes> requests{};
  prometheus::Histogram* duration = nullptr;
};

struct Asked {
  prometheus::Family<prometheus::Gauge>* family;
  std::string label;  // empty: one value without a label
  Metrics::ReadMany read;
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  std::vector<Route> routes;  // by RouteIndex; the last is for requests that found none
  prometheus::Histogram* batch = nullptr;
  prometheus::Histogram* latency = nullptr;
  prometheus::Counter* skipped = nullptr;
  std::vector<Asked> asked;
  mutable std::mutex scraping;

  void add_routes(std::span<const Operation> operations) {
    auto& requests = prometheus::BuildCounter()
                         .Name("tidemark_http_requests_total")
                         .Help("Requests answered, by route and class of status")
                         .Register(registry);
    auto& durations = prometheus::BuildHistogram()
                          .Name("tidemark_http_request_duration_seconds")
                          .Help("From the end of a request's head to its answer")
                          .Register(registry);
    auto add = [&](const std::string& method, const std::string& route) {
      Route counters;
      for (std::size_t digit = 2; digit < status_classes; ++digit) {
        counters.requests[digit] = &requests.Add(
            {{"method", method}, {"route", route}, {"status", std::to_string(digit) + "xx"}});
      }
      counters.duration = &durations.Add({{"method", method}, {"route", route}}, seconds);
      routes.push_back(counters);
    };
    for (const auto& operation : operations) {
      add(std::string(to_text(operation.method)), std::string(operation.pattern));
    }
    add("", "none");
  }
};

Metrics::Metrics(std::span<const Operation> operations) : impl_(std::make_unique<Impl>()) {
  impl_->add_routes(operations);
  impl_->batch = &prometheus::BuildHistogram()
                      .Name("tidemark_commit_batch_records")
                      .Help("Records that became durable together")
                      .Register(impl_->registry)
                      .Add({}, record_counts);
  impl_->latency = &prometheus::BuildHistogram()
                        .Name("tidemark_commit_duration_seconds")
                        .Help("From deciding the oldest record of a group to its being visible")
                        .Register(impl_->registry)
                        .Add({}, seconds);
  impl_->skipped = &prometheus::BuildCounter()
                        .Name("tidemark_void_records_total")
                        .Help("Records of the log that do not count, skipped by readers")
                        .Register(impl_->registry)
                        .Add({});
}

Metrics::~Metrics() = default;

void Metrics::answered(const http::Answered& answered) {
  const auto none = impl_->routes.size() - 1;
  auto& route = impl_->routes[answered.route ? static_cast<std::size_t>(*answered.route) : none];
  const auto digit = answered.status / 100;
  if (digit < status_classes && route.requests[digit] != nullptr) {
    route.requests[digit]->Increment();
  }
  route.duration->Observe(std::chrono::duration<double>(answered.duration).count());
}

void Metrics::committed(std::size_t records, std::chrono::milliseconds latency) {
  impl_->batch->Observe(static_cast<double>(records));
  impl_->latency->Observe(std::chrono::duration<double>(latency).count());
}

void Metrics::skipped(std::size_t records) {
  impl_->skipped->Increment(static_cast<double>(records));
}

void Metrics::gauge(std::string name, std::string help, Read read) {
  gauges(std::move(name), std::move(help), {},
         [read = std::move(read)] { return std::vector<Labeled>{{{}, read()}}; });
}

void Metrics::gauges(std::string name, std::string help, std::string label, ReadMany read) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  impl_->asked.push_back({&family, std::move(label), std::move(read)});
}

std::string Metrics::text() const {
  std::lock_guard lock(impl_->scraping);
  for (const auto& asked : impl_->asked) {
    for (const auto& [value_of_label, value] : asked.read()) {
      prometheus::Labels labels;
      if (!asked.label.empty()) labels.emplace(asked.label, value_of_label);
      asked.family->Add(labels).Set(value);
    }
  }
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace api::resources
