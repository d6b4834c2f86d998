#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/resources/feed.h"
#include "api/services.h"
#include "projections/timeline.h"
#include "webhooks/event_reader.h"
#include "webhooks/transform.h"

/// Events on their way through a pipeline: which version of it, with which rows, and what comes
/// out.
namespace api::resources {

/// Which version of a pipeline is in effect where, as its cursor's history has it.
class PipelineVersions {
 public:
  PipelineVersions(const Services& services, const projections::RowReader& rows,
                   const webhooks::Scope& scope, const schemas::Uuid& pipeline);
  /// Of what stands before all of them the first; empty: it never began.
  std::optional<schemas::Version> at(const projections::TimelineEvent& event) const;

 private:
  std::vector<std::pair<schemas::Version, Passed>> begun_;  // oldest first
};

/// One version of a pipeline.
struct MadePipeline {
  static schemas::Result<MadePipeline> of(const webhooks::PipelineConfig& config,
                                          const std::optional<schemas::Uuid>& project);

  webhooks::Transform transform;
  std::optional<schemas::Uuid> project;  // only events of it

  /// Whether its source takes the event: by type, product and project, then by filter and
  /// condition.
  bool is_of_source(const projections::TimelineEvent& event, std::string_view product) const;
  bool takes(const projections::TimelineEvent& event, std::string_view product) const;
};

/// Kept, since one pipeline has many events. Any thread.
class PipelineCache {
 public:
  struct Key {
    webhooks::Scope scope;
    schemas::Uuid pipeline;
    std::uint64_t version = 0;  // of the pipeline, or of its cursor
    friend bool operator<(const Key& left, const Key& right);
  };
  /// An error of code invalid_request: there is none such; another: not in these rows yet.
  schemas::Result<std::shared_ptr<const MadePipeline>> of(const Services& services,
                                                          const webhooks::Scope& scope,
                                                          const schemas::Uuid& pipeline,
                                                          schemas::Version version);
  std::shared_ptr<const PipelineVersions> versions(const Services& services,
                                                   const webhooks::Scope& scope,
                                                   const schemas::Uuid& pipeline);

 private:
  static constexpr std::size_t kept_max = 64;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const MadePipeline>> made_;
  std::map<Key, std::shared_ptr<const PipelineVersions>> versions_;
};

/// What was sealed, by the text that stands for it in expressions, and in clear as JSON.
using Opened = std::map<std::string, std::string, std::less<>>;

struct Ran {
  webhooks::Transform::Made made;
  std::vector<std::uint64_t> found;  // schemas::DeliveredEvent
  Opened opened;
};
/// Rows of a product may be read less far than the event was: waits a moment for those of the
/// organization to have what was accepted no later. An error (internal): they do not yet. Blocks.
schemas::Result<void> wait_for_rows(const Services& services,
                                    const projections::TimelineEvent& event, schemas::TopicId topic,
                                    schemas::OrganizationId organization);

/// One event through one version. `found`, where it went through before: the same rows again. An
/// error of code invalid_request is final: it says what is wrong with the pipeline or the event.
/// May block.
schemas::Result<Ran> run_pipeline(const Services& services, const webhooks::Scope& scope,
                                  const webhooks::Transform& transform,
                                  const projections::TimelineEvent& event, std::string_view product,
                                  const std::vector<std::uint64_t>& found);

/// The data with what is sealed in clear; `places` says where that was. An error (invalid_request):
/// a sealed value became part of something else.
schemas::Result<std::string> in_clear(const webhooks::Transform::Made& made, const Opened& opened,
                                      std::vector<std::string>& places);

}  // namespace api::resources
