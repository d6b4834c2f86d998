#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "api/http/server.h"
#include "api/resources/operation.h"

namespace api::resources {

/// Numbers for operators, in Prometheus' text form. Counted on any thread as things happen; what
/// can be asked at any time (log ends, lag, connections) is read when a scrape comes. No label
/// names an organization: labels are for ever, organizations are many.
class Metrics {
 public:
  explicit Metrics(std::span<const Operation> operations);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// One request was answered. Every thread of the server.
  void answered(const http::Answered& answered);
  /// One group became durable and visible: how many records, and how long after the oldest of them
  /// was decided. Core thread.
  void committed(std::size_t records, std::chrono::milliseconds latency);
  /// Records that readers skipped by the rule (LOG.md 3). Core thread.
  void skipped(std::size_t records);

  /// A value that is read when a scrape comes. Before the server starts.
  using Read = std::function<double()>;
  void gauge(std::string name, std::string help, Read read);
  /// The same with one label whose values are known only then.
  struct Labeled {
    std::string label;
    double value;
  };
  using ReadMany = std::function<std::vector<Labeled>()>;
  void gauges(std::string name, std::string help, std::string label, ReadMany read);

  /// Any thread.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace api::resources
