#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "schemas/batch.h"

/// Payloads of the records that are not events: claims and controls.
namespace schemas {

struct Claim {
  std::uint64_t nonce;
  std::string process;
};
/// First record of `tm.log`: which log this is, for ever.
struct LogIdentity {
  Uuid id;
  std::uint16_t partitions;
  std::uint16_t format;
};
/// A topic's number, written before its first record.
struct TopicAdded {
  TopicId topic;
  std::string name;
};
struct Moved {
  std::string to;
};
struct ClockAccepted {
  Time recorded;
};

using Control = std::variant<Claim, LogIdentity, TopicAdded, Moved, ClockAccepted>;

BuiltBatch build_control(const Control& control);
/// Empty when the bytes are not a control record or one that this version does not know.
std::optional<Control> read_control(std::span<const std::uint8_t> bytes);

}  // namespace schemas
