#include "schemas/controls.h"

#include <cstring>

#include "fb/log_generated.h"

namespace schemas {
namespace {

using flatbuffers::FlatBufferBuilder;
using Written = std::pair<fb::ControlData, flatbuffers::Offset<void>>;

Written write(FlatBufferBuilder& b, const Claim& claim) {
  return {fb::ControlData::Claim,
          fb::CreateClaim(b, claim.nonce, b.CreateString(claim.process)).Union()};
}
Written write(FlatBufferBuilder& b, const LogIdentity& identity) {
  fb::Uuid id(identity.id.bytes);
  return {fb::ControlData::LogIdentity,
          fb::CreateLogIdentity(b, &id, identity.partitions, identity.format).Union()};
}
Written write(FlatBufferBuilder& b, const TopicAdded& added) {
  auto name = b.CreateString(added.name);
  return {fb::ControlData::TopicAdded,
          fb::CreateTopicAdded(b, static_cast<std::uint16_t>(added.topic), name).Union()};
}
Written write(FlatBufferBuilder& b, const Moved& moved) {
  return {fb::ControlData::Moved, fb::CreateMoved(b, b.CreateString(moved.to)).Union()};
}
Written write(FlatBufferBuilder& b, const ClockAccepted& accepted) {
  return {fb::ControlData::ClockAccepted,
          fb::CreateClockAccepted(b, accepted.recorded.time_since_epoch().count()).Union()};
}

std::string text(const flatbuffers::String* value) {
  return value == nullptr ? "" : value->str();
}

}  // namespace

BuiltBatch build_control(const Control& control) {
  FlatBufferBuilder builder(128);
  auto [type, data] = std::visit([&](const auto& one) { return write(builder, one); }, control);
  fb::FinishControlBuffer(builder, fb::CreateControl(builder, type, data));
  auto owner = std::make_shared<flatbuffers::DetachedBuffer>(builder.Release());
  std::span<const std::uint8_t> bytes{owner->data(), owner->size()};
  return {std::move(owner), bytes};
}

std::optional<Control> read_control(std::span<const std::uint8_t> bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), 8, 16);
  if (!fb::VerifyControlBuffer(verifier)) return std::nullopt;
  const auto& control = *fb::GetControl(bytes.data());
  switch (control.data_type()) {
    case fb::ControlData::Claim:
      return Claim{control.data_as_Claim()->nonce(), text(control.data_as_Claim()->process())};
    case fb::ControlData::LogIdentity: {
      const auto& data = *control.data_as_LogIdentity();
      LogIdentity identity{{}, data.partitions(), data.format()};
      if (data.id() == nullptr) return std::nullopt;
      std::memcpy(identity.id.bytes.data(), data.id()->bytes()->data(), 16);
      return identity;
    }
    case fb::ControlData::TopicAdded:
      return TopicAdded{TopicId{control.data_as_TopicAdded()->topic()},
                        text(control.data_as_TopicAdded()->name())};
    case fb::ControlData::Moved:
      return Moved{text(control.data_as_Moved()->to())};
    case fb::ControlData::ClockAccepted:
      return ClockAccepted{
          Time{std::chrono::milliseconds{control.data_as_ClockAccepted()->recorded()}}};
    case fb::ControlData::LossAccepted:
    case fb::ControlData::NONE:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace schemas
