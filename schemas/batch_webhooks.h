#pragma once

#include <utility>

#include "fb/batch_generated.h"
#include "schemas/events.h"

/// Events of webhooks, deliveries, replays and pipelines as members of a batch's union: batch.cpp's
/// own, apart because there are many.
namespace schemas {

using WrittenData = std::pair<fb::EventData, flatbuffers::Offset<void>>;

WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointCreated& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointChanged& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointSecretRotated& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointPaused& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointResumed& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointDisabled& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointTested& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const EndpointDeleted& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const RetryPolicyCreated& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const RetryPolicyChanged& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const RetryPolicyDeleted& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const DeliveryAttempted& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const DeliveryHeld& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const DeliveryRequested& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const DeliverySkipped& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const DeliveryCursorMoved& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const DeliveryForgotten& data);

WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const ReplayRequested& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const ReplayPaused& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const ReplayResumed& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const ReplayCancelled& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const ReplayCompleted& data);

WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const PipelineCreated& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const PipelineChanged& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const PipelinePaused& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const PipelineResumed& data);
WrittenData write_data(flatbuffers::FlatBufferBuilder& builder, const PipelineDeleted& data);

/// UnknownEvent for every other alternative.
EventData read_of_webhooks(const fb::Event& event);

}  // namespace schemas
