#include "api/cli/log_dump.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/resources/event_json.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::cli {
namespace {

using eventstore::RecordKind;
using schemas::json::Writer;

std::string_view to_text(RecordKind kind) {
  switch (kind) {
    case RecordKind::events:
      return "events";
    case RecordKind::claim:
      return "claim";
    case RecordKind::noop:
      return "no-op";
    case RecordKind::control:
      return "control";
  }
  return "";
}

std::string hex(const schemas::Chain& chain) {
  return fmt::format("{:02x}", fmt::join(chain, ""));
}

/// What a record that holds no events says.
std::string describe_control(const schemas::Control& control) {
  struct Describe {
    std::string operator()(const schemas::Claim& claim) const {
      return fmt::format("claim nonce={:016x} process={}", claim.nonce, claim.process);
    }
    std::string operator()(const schemas::LogIdentity& identity) const {
      return fmt::format("log id={:02x} partitions={} format={}", fmt::join(identity.id.bytes, ""),
                         identity.partitions, identity.format);
    }
    std::string operator()(const schemas::TopicAdded& added) const {
      return fmt::format("topic id={} name={}", static_cast<int>(added.topic), added.name);
    }
    std::string operator()(const schemas::Moved& moved) const {
      return fmt::format("moved to={}", moved.to);
    }
    std::string operator()(const schemas::ClockAccepted& accepted) const {
      return fmt::format("clock accepted={}", schemas::to_text(accepted.recorded));
    }
  };
  return std::visit(Describe{}, control);
}

/// Void records too, if their bytes are a batch: somebody may want to know what was not accepted.
std::optional<schemas::BatchView> batch_of(const ScannedRecord& record) {
  if (record.frame.head.kind != RecordKind::events) return std::nullopt;
  return schemas::BatchView::verify(record.payload);
}

}  // namespace

std::string record_text(const ScannedRecord& record) {
  const auto& [segment, frame, payload, verdict, before, after_loss, topic, known] = record;
  auto text = fmt::format("{}/{}@{} {} epoch {},{:016x} sequence {} position {} {} bytes{}\n",
                          topic, frame.log.partition, frame.offset, eventstore::to_text(verdict),
                          frame.head.epoch.offset, frame.head.epoch.nonce, frame.head.sequence,
                          frame.position, frame.head.length,
                          after_loss ? " (a record before it is lost)" : "");
  if (const auto batch = batch_of(record)) {
    text += fmt::format("  {} {} {} by {}, {}\n", to_text(batch->organization()),
                        to_text(batch->space()), schemas::to_text(batch->recorded()),
                        to_text(batch->actor()), to_text(batch->command()));
    for (std::uint32_t index = 0; index < batch->event_count(); ++index) {
      const auto event = batch->event(index);
      text += fmt::format("  {} {} {} version {}\n", event.type(), event.kind(),
                          schemas::entity_text(event.kind(), event.entity()),
                          to_number(event.version()));
    }
  } else if (const auto control = schemas::read_control(payload)) {
    text += fmt::format("  {}\n", describe_control(*control));
  }
  return text;
}

std::string record_json(const ScannedRecord& record) {
  const auto& [segment, frame, payload, verdict, before, after_loss, topic, known] = record;
  std::string out;
  Writer writer(out);
  writer.begin_object().member("topic", topic).member("partition", frame.log.partition);
  writer.member("offset", frame.offset).member("kind", to_text(frame.head.kind));
  writer.member("verdict", eventstore::to_text(verdict)).member("position", frame.position);
  writer.name("epoch").begin_object().member("offset", frame.head.epoch.offset);
  writer.member("nonce", fmt::format("{:016x}", frame.head.epoch.nonce)).end_object();
  writer.member("sequence", frame.head.sequence).member("chain", hex(frame.head.chain));
  writer.member("size_bytes", frame.head.length);
  if (const auto batch = batch_of(record)) {
    writer.member("command", to_text(batch->command())).name("events").begin_array();
    for (std::uint32_t index = 0; index < batch->event_count(); ++index) {
      std::string event;
      // Without the keyring nothing fails.
      (void)resources::append_event(event, *batch, index, topic, "", nullptr);
      writer.raw(event);
    }
    writer.end_array();
  } else if (const auto control = schemas::read_control(payload)) {
    writer.member("control", describe_control(*control));
  }
  writer.end_object();
  out.push_back('\n');
  return out;
}

}  // namespace api::cli
