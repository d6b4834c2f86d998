#include "schemas/batch_webhooks.h"

#include "schemas/batch_values.h"

namespace schemas {
namespace {

using buffer::numbers;
using buffer::optional_uuid;
using buffer::optional_view;
using buffer::to_number;
using buffer::to_time;
using buffer::view;
using flatbuffers::FlatBufferBuilder;
using Text = flatbuffers::Offset<flatbuffers::String>;
using Bytes = flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>>;

Text text(FlatBufferBuilder& b, std::string_view value) {
  return b.CreateString(value.data(), value.size());
}
Text text(FlatBufferBuilder& b, const std::optional<std::string_view>& value) {
  return value ? text(b, *value) : Text{};
}
Bytes bytes(FlatBufferBuilder& b, std::string_view value) {
  return b.CreateVector(reinterpret_cast<const std::uint8_t*>(value.data()), value.size());
}
Bytes bytes(FlatBufferBuilder& b, const std::optional<std::string_view>& value) {
  return value ? bytes(b, *value) : Bytes{};
}
/// A struct that a table points to, if it is there.
class Bound {
 public:
  explicit Bound(const std::optional<Uuid>& uuid) : there_(uuid.has_value()) {
    if (uuid) value_ = fb::Uuid(uuid->bytes);
  }
  explicit Bound(const Uuid& uuid) : there_(true), value_(uuid.bytes) {}
  const fb::Uuid* get() const { return there_ ? &value_ : nullptr; }

 private:
  bool there_;
  fb::Uuid value_;
};

flatbuffers::Offset<fb::DeliveredEvent> write(FlatBufferBuilder& b, const DeliveredEvent& of) {
  const auto type = b.CreateSharedString(of.type.data(), of.type.size());
  const auto found = of.found.empty() ? 0 : b.CreateVector(of.found.data(), of.found.size());
  return fb::CreateDeliveredEvent(b, Bound(of.endpoint).get(), Bound(of.event).get(), type,
                                  static_cast<std::uint16_t>(of.topic), of.offset, of.index,
                                  of.lane, Bound(of.replay).get(), Bound(of.pipeline).get(),
                                  to_number(of.version), found);
}

DeliveredEvent read(const fb::DeliveredEvent& of) {
  return {.endpoint = buffer::uuid(of.endpoint()),
          .event = buffer::uuid(of.event()),
          .type = view(of.type()),
          .topic = TopicId{of.topic()},
          .offset = of.offset(),
          .index = of.index(),
          .lane = of.lane(),
          .replay = optional_uuid(of.replay()),
          .pipeline = optional_uuid(of.pipeline()),
          .version = Version{of.version()},
          .found = numbers(of.found())};
}
DeliveryAttempted read(const fb::DeliveryAttempted& data) {
  return {.of = read(*data.of()),
          .attempt = data.attempt(),
          .started = to_time(data.started()),
          .status = data.status(),
          .error = optional_view(data.error()),
          .body = optional_view(data.body()),
          .resolve_us = data.resolve_us(),
          .connect_us = data.connect_us(),
          .tls_us = data.tls_us(),
          .answer_us = data.answer_us(),
          .state = static_cast<DeliveryState>(data.state()),
          .next = to_time(data.next())};
}

EventData read_of_pipelines(const fb::Event& e) {
  switch (e.data_type()) {
    case fb::EventData::PipelineCreated: {
      const auto* data = e.data_as_PipelineCreated();
      return PipelineCreated{.project = optional_uuid(data->project()),
                             .endpoint = optional_uuid(data->endpoint()),
                             .config = view(data->config()),
                             .start = view(data->start()),
                             .paused = data->paused()};
    }
    case fb::EventData::PipelineChanged: {
      const auto* data = e.data_as_PipelineChanged();
      return PipelineChanged{optional_uuid(data->project()), view(data->config())};
    }
    case fb::EventData::PipelinePaused: {
      const auto* data = e.data_as_PipelinePaused();
      return PipelinePaused{optional_uuid(data->project()), view(data->reason())};
    }
    case fb::EventData::PipelineResumed: {
      const auto* data = e.data_as_PipelineResumed();
      return PipelineResumed{optional_uuid(data->project()), optional_view(data->start())};
    }
    case fb::EventData::PipelineDeleted:
      return PipelineDeleted{optional_uuid(e.data_as_PipelineDeleted()->project())};
    default:
      return UnknownEvent{};
  }
}

EventData read_of_replays(const fb::Event& e) {
  switch (e.data_type()) {
    case fb::EventData::ReplayRequested: {
      const auto* data = e.data_as_ReplayRequested();
      return ReplayRequested{optional_uuid(data->project()),
                             optional_uuid(data->endpoint()),
                             view(data->config()),
                             view(data->from()),
                             view(data->to()),
                             optional_uuid(data->pipeline())};
    }
    case fb::EventData::ReplayPaused: {
      const auto* data = e.data_as_ReplayPaused();
      return ReplayPaused{optional_uuid(data->project()), view(data->reason())};
    }
    case fb::EventData::ReplayResumed:
      return ReplayResumed{optional_uuid(e.data_as_ReplayResumed()->project())};
    case fb::EventData::ReplayCancelled: {
      const auto* data = e.data_as_ReplayCancelled();
      return ReplayCancelled{optional_uuid(data->project()), view(data->reason())};
    }
    case fb::EventData::ReplayCompleted: {
      const auto* data = e.data_as_ReplayCompleted();
      return ReplayCompleted{optional_uuid(data->project()), data->succeeded(), data->exhausted(),
                             data->skipped()};
    }
    default:
      return read_of_pipelines(e);
  }
}

EventData read_of_deliveries(const fb::Event& e) {
  switch (e.data_type()) {
    case fb::EventData::DeliveryAttempted:
      return read(*e.data_as_DeliveryAttempted());
    case fb::EventData::DeliveryHeld:
      return DeliveryHeld{read(*e.data_as_DeliveryHeld()->of())};
    case fb::EventData::DeliveryRequested:
      return DeliveryRequested{};
    case fb::EventData::DeliverySkipped:
      return DeliverySkipped{view(e.data_as_DeliverySkipped()->reason())};
    case fb::EventData::DeliveryCursorMoved: {
      const auto* data = e.data_as_DeliveryCursorMoved();
      return DeliveryCursorMoved{view(data->mark()), data->generation(), Version{data->version()}};
    }
    case fb::EventData::DeliveryForgotten:
      return DeliveryForgotten{};
    default:
      return read_of_replays(e);
  }
}

}  // namespace

WrittenData write_data(FlatBufferBuilder& b, const EndpointCreated& data) {
  const auto config = text(b, data.config);
  const auto secret = bytes(b, data.secret);
  const auto headers = bytes(b, data.headers);
  const auto start = text(b, data.start);
  return {fb::EventData::EndpointCreated,
          fb::CreateEndpointCreated(b, Bound(data.project).get(), config, secret, headers, start)
              .Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointChanged& data) {
  const auto config = text(b, data.config);
  const auto headers = bytes(b, data.headers);
  return {fb::EventData::EndpointChanged,
          fb::CreateEndpointChanged(b, Bound(data.project).get(), config, headers).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointSecretRotated& data) {
  const auto secret = bytes(b, data.secret);
  return {fb::EventData::EndpointSecretRotated,
          fb::CreateEndpointSecretRotated(b, Bound(data.project).get(), secret,
                                          to_number(data.old_expires))
              .Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointPaused& data) {
  const auto reason = text(b, data.reason);
  return {fb::EventData::EndpointPaused,
          fb::CreateEndpointPaused(b, Bound(data.project).get(), reason).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointResumed& data) {
  const auto start = text(b, data.start);
  return {fb::EventData::EndpointResumed,
          fb::CreateEndpointResumed(b, Bound(data.project).get(), start).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointDisabled& data) {
  const auto reason = text(b, data.reason);
  return {fb::EventData::EndpointDisabled,
          fb::CreateEndpointDisabled(b, Bound(data.project).get(), reason).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointTested& data) {
  return {fb::EventData::EndpointTested,
          fb::CreateEndpointTested(b, Bound(data.project).get()).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const EndpointDeleted& data) {
  return {fb::EventData::EndpointDeleted,
          fb::CreateEndpointDeleted(b, Bound(data.project).get()).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const RetryPolicyCreated& data) {
  return {fb::EventData::RetryPolicyCreated,
          fb::CreateRetryPolicyCreated(b, text(b, data.config)).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const RetryPolicyChanged& data) {
  return {fb::EventData::RetryPolicyChanged,
          fb::CreateRetryPolicyChanged(b, text(b, data.config)).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const RetryPolicyDeleted&) {
  return {fb::EventData::RetryPolicyDeleted, fb::CreateRetryPolicyDeleted(b).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const DeliveryAttempted& data) {
  const auto of = write(b, data.of);
  const auto error = text(b, data.error);
  const auto body = text(b, data.body);
  return {fb::EventData::DeliveryAttempted,
          fb::CreateDeliveryAttempted(b, of, data.attempt, to_number(data.started), data.status,
                                      error, body, data.resolve_us, data.connect_us, data.tls_us,
                                      data.answer_us, static_cast<fb::DeliveryState>(data.state),
                                      to_number(data.next))
              .Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const DeliveryHeld& data) {
  return {fb::EventData::DeliveryHeld, fb::CreateDeliveryHeld(b, write(b, data.of)).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const DeliveryRequested&) {
  return {fb::EventData::DeliveryRequested, fb::CreateDeliveryRequested(b).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const DeliverySkipped& data) {
  return {fb::EventData::DeliverySkipped,
          fb::CreateDeliverySkipped(b, text(b, data.reason)).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const DeliveryForgotten&) {
  return {fb::EventData::DeliveryForgotten, fb::CreateDeliveryForgotten(b).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const DeliveryCursorMoved& data) {
  return {
      fb::EventData::DeliveryCursorMoved,
      fb::CreateDeliveryCursorMoved(b, text(b, data.mark), data.generation, to_number(data.version))
          .Union()};
}

WrittenData write_data(FlatBufferBuilder& b, const ReplayRequested& data) {
  const auto config = text(b, data.config);
  const auto from = text(b, data.from);
  const auto to = text(b, data.to);
  return {fb::EventData::ReplayRequested,
          fb::CreateReplayRequested(b, Bound(data.project).get(), Bound(data.endpoint).get(),
                                    config, from, to, Bound(data.pipeline).get())
              .Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const ReplayPaused& data) {
  const auto reason = text(b, data.reason);
  return {fb::EventData::ReplayPaused,
          fb::CreateReplayPaused(b, Bound(data.project).get(), reason).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const ReplayResumed& data) {
  return {fb::EventData::ReplayResumed,
          fb::CreateReplayResumed(b, Bound(data.project).get()).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const ReplayCancelled& data) {
  const auto reason = text(b, data.reason);
  return {fb::EventData::ReplayCancelled,
          fb::CreateReplayCancelled(b, Bound(data.project).get(), reason).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const ReplayCompleted& data) {
  return {fb::EventData::ReplayCompleted,
          fb::CreateReplayCompleted(b, Bound(data.project).get(), data.succeeded, data.exhausted,
                                    data.skipped)
              .Union()};
}

WrittenData write_data(FlatBufferBuilder& b, const PipelineCreated& data) {
  const auto config = text(b, data.config);
  const auto start = text(b, data.start);
  return {fb::EventData::PipelineCreated,
          fb::CreatePipelineCreated(b, Bound(data.project).get(), Bound(data.endpoint).get(),
                                    config, start, data.paused)
              .Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const PipelineChanged& data) {
  const auto config = text(b, data.config);
  return {fb::EventData::PipelineChanged,
          fb::CreatePipelineChanged(b, Bound(data.project).get(), config).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const PipelinePaused& data) {
  const auto reason = text(b, data.reason);
  return {fb::EventData::PipelinePaused,
          fb::CreatePipelinePaused(b, Bound(data.project).get(), reason).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const PipelineResumed& data) {
  const auto start = text(b, data.start);
  return {fb::EventData::PipelineResumed,
          fb::CreatePipelineResumed(b, Bound(data.project).get(), start).Union()};
}
WrittenData write_data(FlatBufferBuilder& b, const PipelineDeleted& data) {
  return {fb::EventData::PipelineDeleted,
          fb::CreatePipelineDeleted(b, Bound(data.project).get()).Union()};
}

EventData read_of_webhooks(const fb::Event& e) {
  switch (e.data_type()) {
    case fb::EventData::EndpointCreated: {
      const auto* data = e.data_as_EndpointCreated();
      return EndpointCreated{optional_uuid(data->project()), view(data->config()),
                             view(data->secret()), optional_view(data->headers()),
                             view(data->start())};
    }
    case fb::EventData::EndpointChanged: {
      const auto* data = e.data_as_EndpointChanged();
      return EndpointChanged{optional_uuid(data->project()), view(data->config()),
                             optional_view(data->headers())};
    }
    case fb::EventData::EndpointSecretRotated: {
      const auto* data = e.data_as_EndpointSecretRotated();
      return EndpointSecretRotated{optional_uuid(data->project()), view(data->secret()),
                                   to_time(data->old_expires())};
    }
    case fb::EventData::EndpointPaused: {
      const auto* data = e.data_as_EndpointPaused();
      return EndpointPaused{optional_uuid(data->project()), view(data->reason())};
    }
    case fb::EventData::EndpointResumed: {
      const auto* data = e.data_as_EndpointResumed();
      return EndpointResumed{optional_uuid(data->project()), optional_view(data->start())};
    }
    case fb::EventData::EndpointDisabled: {
      const auto* data = e.data_as_EndpointDisabled();
      return EndpointDisabled{optional_uuid(data->project()), view(data->reason())};
    }
    case fb::EventData::EndpointTested:
      return EndpointTested{optional_uuid(e.data_as_EndpointTested()->project())};
    case fb::EventData::EndpointDeleted:
      return EndpointDeleted{optional_uuid(e.data_as_EndpointDeleted()->project())};
    case fb::EventData::RetryPolicyCreated:
      return RetryPolicyCreated{view(e.data_as_RetryPolicyCreated()->config())};
    case fb::EventData::RetryPolicyChanged:
      return RetryPolicyChanged{view(e.data_as_RetryPolicyChanged()->config())};
    case fb::EventData::RetryPolicyDeleted:
      return RetryPolicyDeleted{};
    default:
      return read_of_deliveries(e);
  }
}

}  // namespace schemas
