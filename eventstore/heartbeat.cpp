#include "eventstore/heartbeat.h"

#include <algorithm>

#include <fmt/core.h>

#include "schemas/packing.h"

namespace eventstore {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

constexpr std::uint16_t format_version = 1;
constexpr std::size_t fixed_bytes = 2 + 1 + 1 + 16 + 8 + 2 + 2 + 4;

void put_text(schemas::Packer& out, const std::string& text) {
  ENSURE(text.size() <= UINT16_MAX);
  out.put(static_cast<std::uint16_t>(text.size()));
  out.put(schemas::bytes_of(text));
}
std::string get_text(schemas::Unpacker& in) {
  return std::string(schemas::text_of(in.take(in.get<std::uint16_t>())));
}

}  // namespace

std::vector<std::uint8_t> encode(const Heartbeat& heartbeat) {
  const auto& [process, count, state, roles, name, address, owned] = heartbeat;
  ENSURE(std::ranges::is_sorted(owned));
  schemas::Packer out(fixed_bytes + name.size() + address.size() + 4 * owned.size());
  out.put(format_version);
  out.put(state);
  out.put(roles.bits());
  out.put(process.bytes);
  out.put(count);
  put_text(out, name);
  put_text(out, address);
  out.put(static_cast<std::uint32_t>(owned.size()));
  for (const auto& log : owned) {
    out.put(log.topic);
    out.put(log.partition);
  }
  return std::move(out).take();
}

Result<Heartbeat> decode_heartbeat(schemas::Bytes bytes) {
  schemas::Unpacker in(bytes);
  const auto format = in.get<std::uint16_t>();
  Heartbeat read;
  read.state = in.get<Heartbeat::State>();
  read.roles = Roles::of_bits(in.get<std::uint8_t>());
  read.process.bytes = in.get_array<16>();
  read.count = in.get<std::uint64_t>();
  read.name = get_text(in);
  read.address = get_text(in);
  const auto owned = in.get<std::uint32_t>();
  if (!in.ok() || in.rest().size() / 4 < owned) {
    return fail(ErrorCode::internal, "a heartbeat is cut off");
  }
  for (std::uint32_t i = 0; i < owned; ++i) {
    const auto topic = in.get<schemas::TopicId>();
    read.owned.push_back({topic, in.get<std::uint16_t>()});
  }
  const bool known =
      read.state >= Heartbeat::State::serving && read.state <= Heartbeat::State::joining;
  if (format == 0 || !known || !std::ranges::is_sorted(read.owned)) {
    return fail(ErrorCode::internal, "a heartbeat is none that any version writes");
  }
  return read;
}

}  // namespace eventstore
