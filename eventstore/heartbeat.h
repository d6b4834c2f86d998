#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eventstore/roles.h"
#include "schemas/crypto.h"
#include "schemas/ids.h"
#include "schemas/result.h"

// clang-format off
/// What a process says of itself to the others of its cluster, twice a second. All numbers are
/// little-endian.
///
///     format u16 = 1 | state u8 | roles u8 | process 16 | count u64
///         | name size u16, bytes | address size u16, bytes | count u32 × (topic u16, partition u16)
///
/// Later versions only add behind the end: who does not know it passes over it.
// clang-format on
namespace eventstore {

using schemas::LogId;

struct Heartbeat {
  enum class State : std::uint8_t {
    serving = 1,
    leaving = 2,  // releases what it owns
    joining = 3,  // does not know yet who else is there
  };

  schemas::Uuid process;    // random, of this run
  std::uint64_t count = 0;  // of the process's heartbeats
  State state = State::serving;
  Roles roles;
  std::string name;          // for people
  std::string address;       // HOST:PORT where other processes reach it
  std::vector<LogId> owned;  // which it writes, ascending

  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

std::vector<std::uint8_t> encode(const Heartbeat& heartbeat);
schemas::Result<Heartbeat> decode_heartbeat(schemas::Bytes bytes);

}  // namespace eventstore
