#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/resources/feed.h"
#include "api/resources/sealed_fields.h"
#include "api/services.h"
#include "projections/timeline.h"
#include "webhooks/event_reader.h"
#include "webhooks/transform.h"

/// Events on their way through a pipeline: which version of it, with which rows, and what comes
/// out.
namespace api::resources {

/// Which version of a pipeline is in effect where, as its cursor's history has it. Rows are read
/// once, here.
class PipelineVersions {
 public:
  PipelineVersions(const Services& services, const projections::RowReader& rows,
                   const webhooks::Scope& scope, const schemas::Uuid& pipeline);
  /// Of what stands before all of them the first; empty: it never began.
  std::optional<schemas::Version> at(const projections::TimelineEvent& event) const;

 private:
  std::vector<std::pair<schemas::Version, Passed>> begun_;  // oldest first
};

/// What a version of a pipeline was asked to be, compiled; empty when there is none such.
std::shared_ptr<const webhooks::Transform> transform_of(const Services& services,
                                                        const webhooks::Scope& scope,
                                                        const schemas::Uuid& pipeline,
                                                        schemas::Version version);
/// Kept, since one pipeline has many events. Any thread.
class TransformCache {
 public:
  struct Key {
    webhooks::Scope scope;
    schemas::Uuid pipeline;
    schemas::Version version{};
    friend bool operator<(const Key& left, const Key& right);
  };
  std::shared_ptr<const webhooks::Transform> find(const Key& key);
  void keep(const Key& key, std::shared_ptr<const webhooks::Transform> transform);

 private:
  static constexpr std::size_t kept_max = 256;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const webhooks::Transform>> kept_;
};

/// What was sealed and what it is in clear, JSON: expressions are given the former.
using Opened = std::map<std::string, std::string, std::less<>>;
/// Of an event's data, or of a declared entity's state.
schemas::Result<void> open_all(eventstore::Sealing& sealing, const SealedPlace& place,
                               std::string_view json, Opened& opened);

/// The event as expressions see it: as its readers do, but for sealed values, which stay so.
std::string event_of(const projections::TimelineEvent& event, std::string_view product);

struct Ran {
  webhooks::Transform::Made made;
  std::vector<std::uint64_t> found;  // schemas::DeliveredEvent
  Opened opened;
};
/// One event through one version. `found`, where it went through before: the same rows again. An
/// error of code invalid_request is the pipeline's, and final. May block.
schemas::Result<Ran> run_pipeline(const Services& services, const webhooks::Scope& scope,
                                  const webhooks::Transform& transform,
                                  const projections::TimelineEvent& event, std::string_view product,
                                  const std::vector<std::uint64_t>& found);

/// The data with what is sealed in clear; `places` says where that was. An error (invalid_request):
/// a sealed value became part of another text.
schemas::Result<std::string> in_clear(const std::string& data, const Opened& opened,
                                      std::vector<std::string>& places);

/// Whether a pipeline takes an event of this product; of the types that it names.
bool is_of_source(const webhooks::PipelineConfig& config, std::string_view type,
                  std::string_view product);

}  // namespace api::resources
