#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/cel/program.h"
#include "schemas/cel/template.h"
#include "schemas/json.h"
#include "schemas/result.h"
#include "webhooks/pipeline.h"

namespace webhooks {

/// What expressions of a pipeline can say: `event`, the CloudEvent as its readers see it, and where
/// rows are there, `rows` by the names that `enrich` gives them, null for what was not found.
inline constexpr std::array<std::string_view, 1> event_alone{"event"};
inline constexpr std::array<std::string_view, 2> event_and_rows{"event", "rows"};

/// A text with expressions that must come to a text.
schemas::Result<schemas::cel::Template> compile_text(std::string_view text,
                                                     std::span<const std::string_view> variables);

/// What a pipeline makes of an event, without where it comes from and goes to: no I/O, no clock, so
/// the same event and the same rows give the same bytes at any time. Immutable; any thread.
class Transform {
 public:
  /// Of a config that was read without faults.
  static schemas::Result<Transform> compile(const PipelineConfig& config);

  const PipelineConfig& config() const { return config_; }
  /// There is neither filter nor condition.
  bool takes_all() const { return !filter_ && !condition_; }

  /// Whether the filter of the source takes it and the condition does not refuse it. What the
  /// condition has no answer for is taken, so that `make` says so.
  bool takes(schemas::json::Value event) const;

  /// Which rows are looked up: the ids, in the order of the config; empty: none, the id is null.
  schemas::Result<std::vector<std::string>> ids(schemas::json::Value event) const;

  struct Made {
    std::string kind;
    std::string entity;
    std::string type;
    std::string data;                    // JSON
    std::vector<std::string> path = {};  // of an operation, in the order of the config
  };
  /// `rows`: JSON, an object of those names. An error is invalid_request and final: it says which
  /// member of the pipeline has no answer, and why.
  schemas::Result<Made> make(schemas::json::Value event, schemas::json::Value rows) const;

 private:
  PipelineConfig config_;
  std::optional<schemas::cel::Program> filter_;
  std::optional<schemas::cel::Program> condition_;
  std::vector<schemas::cel::Template> ids_;
  std::optional<schemas::cel::Template> map_;
  std::optional<schemas::cel::Template> kind_;
  std::optional<schemas::cel::Template> entity_;
  std::optional<schemas::cel::Template> type_;
  std::vector<schemas::cel::Template> path_;
};

}  // namespace webhooks
