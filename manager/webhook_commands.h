#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schemas/events.h"
#include "schemas/ids.h"

/// What can be asked of webhooks, replays and pipelines. `config` is JSON, checked and whole
/// (webhooks/endpoint.h, webhooks/retry_policy.h); `secret` and `headers` are sealed for their
/// endpoint; marks are the organization's own.
namespace manager {

using schemas::Time;
using schemas::Uuid;
using schemas::Version;

/// `id` is made by whoever asks, since what is sealed is bound to it.
struct CreateEndpoint {
  Uuid id;
  std::optional<Uuid> project;
  std::optional<Uuid> retry_policy;  // that `config` names
  std::string config;
  std::string secret;
  std::optional<std::string> headers;
  std::string start;
};
/// Made from the endpoint as it was at `based_on`; refused with version_conflict when it has moved
/// on.
struct ChangeEndpoint {
  Uuid id;
  Version based_on{};
  std::optional<Uuid> project;
  std::optional<Uuid> retry_policy;
  std::string config;
  std::optional<std::string> headers;
};
struct RotateEndpointSecret {
  Uuid id;
  std::string secret;
  std::chrono::seconds overlap{};
};
/// `disable`: as a receiver asks for it that is gone.
struct PauseEndpoint {
  Uuid id;
  bool disable = false;
  std::string reason;
};
struct ResumeEndpoint {
  Uuid id;
  std::optional<std::string> start;  // absent: from where it stands
};
struct TestEndpoint {
  Uuid id;
};
struct DeleteEndpoint {
  Uuid id;
};

struct CreateRetryPolicy {
  std::string config;
};
struct ChangeRetryPolicy {
  Uuid id;
  Version based_on{};
  std::string config;
};
struct DeleteRetryPolicy {
  Uuid id;
};

/// One attempt, or that a delivery waits behind an earlier one of its lane (`held`).
struct DeliveryRecord {
  Uuid id;
  Uuid event;
  std::string type;
  schemas::TopicId topic{};
  schemas::Offset offset = 0;
  std::uint32_t index = 0;
  std::uint64_t lane = 0;
  bool held = false;
  std::uint32_t attempt = 0;
  Time started;
  std::uint16_t status = 0;
  std::optional<std::string> error;
  std::optional<std::string> body;
  std::uint32_t resolve_us = 0;
  std::uint32_t connect_us = 0;
  std::uint32_t tls_us = 0;
  std::uint32_t answer_us = 0;
  schemas::DeliveryState state = schemas::DeliveryState::succeeded;
  Time next;
  Version version{};                      // of the pipeline
  std::vector<std::uint64_t> found = {};  // schemas::DeliveredEvent
};
/// The deliverer's own. What no longer fits its delivery (somebody asked for it again meanwhile, or
/// a deliverer before recorded it) is left out.
struct RecordDeliveries {
  Uuid endpoint;
  std::uint32_t generation = 0;
  std::vector<DeliveryRecord> deliveries;
  std::optional<std::string> cursor;  // a mark
  std::optional<Uuid> replay = {};    // whose they are
  std::optional<Uuid> pipeline = {};  // the same
  Version version{};                  // of the pipeline, that is in effect from the cursor on
};
/// Of several, those that can be are asked for; a single one that cannot is refused.
struct ResendDeliveries {
  std::vector<Uuid> ids;
};
/// The deliverer's own: nobody waits for them any more, because their endpoint was resumed behind
/// them, as its `generation`, at `since`, or was deleted (neither). Left out is what is not open,
/// what was asked for since, and everything once deliveries of that generation have begun: the
/// deliverer that asks may have been paused meanwhile, and another one delivers.
struct SkipDeliveries {
  Uuid endpoint;
  std::optional<std::uint32_t> generation;
  std::optional<Time> since;
  std::vector<Uuid> ids;
  std::string reason;
  std::optional<Uuid> replay = {};    // whose they are: it has ended
  std::optional<Uuid> pipeline = {};  // the same
};

/// The deliverer's own: deliveries that have ended are kept for a while. Left out is what is open
/// or ended later.
struct ForgetDeliveries {
  std::vector<Uuid> ids;
  Time ended_before;
};

/// `id` is made by whoever asks; `config` as webhooks/replay.h has it.
struct RequestReplay {
  Uuid id;
  std::optional<Uuid> project;
  std::optional<Uuid> endpoint;  // absent: it goes to a product
  std::string config;
  std::string from;
  std::string to;
  std::optional<Uuid> pipeline = {};  // it goes through this one
};
struct PauseReplay {
  Uuid id;
  std::string reason;
};
struct ResumeReplay {
  Uuid id;
};
struct CancelReplay {
  Uuid id;
  std::string reason;
};
/// The deliverer's own: everything has an outcome.
struct CompleteReplay {
  Uuid id;
  std::uint64_t succeeded = 0;
  std::uint64_t exhausted = 0;
  std::uint64_t skipped = 0;
};

/// `config` as webhooks/pipeline.h has it, `endpoint` that of its sink.
struct CreatePipeline {
  std::optional<Uuid> project;
  std::optional<Uuid> endpoint;
  std::string config;
  std::string start;
  bool paused = false;
};
/// Made from the pipeline as it was at `based_on`; its sink is the same.
struct ChangePipeline {
  Uuid id;
  Version based_on{};
  std::optional<Uuid> project;
  std::string config;
};
struct PausePipeline {
  Uuid id;
  std::string reason;
};
struct ResumePipeline {
  Uuid id;
  std::optional<std::string> start;  // absent: from where it stands
};
struct DeletePipeline {
  Uuid id;
};

}  // namespace manager
