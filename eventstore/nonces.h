#pragma once

#include <cstdint>
#include <string>

#include "eventstore/file.h"
#include "schemas/crypto.h"
#include "schemas/ids.h"

/// Claim nonces of one data directory, derived from 32 random bytes in its file `nonces`: whether
/// the current claim of a partition is this directory's own is a recomputation, without state per
/// partition. A copy or a restore leaves the file out, so that it has other nonces and claims each
/// partition anew before it appends. Immutable after opening; any thread.
namespace eventstore {

class Nonces {
 public:
  /// Makes the file when it is missing; durable when it returns.
  static schemas::Result<Nonces> open_or_create(FileSystem& files,
                                                const std::string& data_directory);

  /// Kept nowhere: in a log that others write too every start claims anew, for what an earlier life
  /// sent may still arrive.
  static Nonces of_this_life();

  /// Of the claim that names `predecessor`: the start of HMAC-SHA-256 over both.
  std::uint64_t nonce(schemas::LogId log, schemas::Epoch predecessor) const;

 private:
  explicit Nonces(schemas::HmacKey seed) : seed_(seed) {}
  schemas::HmacKey seed_;
};

}  // namespace eventstore
