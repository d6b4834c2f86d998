#include "eventstore/nonces.h"

#include <fmt/core.h>

#include "schemas/packing.h"

namespace eventstore {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

namespace {

constexpr std::size_t seed_bytes = 32;

}  // namespace

Result<Nonces> Nonces::open_or_create(FileSystem& files, const std::string& data_directory) {
  const auto path = data_directory + "/nonces";
  auto seed = read_whole(files, path);
  if (!seed && seed.error().code == ErrorCode::not_found) {
    seed = std::vector<std::uint8_t>(seed_bytes);
    schemas::random_bytes(*seed);
    auto written = replace_whole(files, path, *seed);
    if (!written) return fail(std::move(written).error());
  }
  if (!seed) return fail(std::move(seed).error());
  if (seed->size() != seed_bytes) {
    return fail(ErrorCode::internal,
                fmt::format("{} has {} bytes instead of {}; remove it (partitions are then claimed "
                            "anew, nothing is lost)",
                            path, seed->size(), seed_bytes));
  }
  return Nonces(schemas::HmacKey(*seed));
}

Nonces Nonces::of_this_life() {
  std::vector<std::uint8_t> seed(seed_bytes);
  schemas::random_bytes(seed);
  return Nonces(schemas::HmacKey(seed));
}

std::uint64_t Nonces::nonce(schemas::LogId log, schemas::Epoch predecessor) const {
  schemas::Packer message(2 + 2 + 8 + 8);
  message.put(log.topic);
  message.put(log.partition);
  message.put(predecessor.offset);
  message.put(predecessor.nonce);
  const auto digest = seed_.sign(message.bytes());
  schemas::Unpacker start(digest);
  return start.get<std::uint64_t>();
}

}  // namespace eventstore
