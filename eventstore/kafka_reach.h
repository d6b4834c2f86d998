#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "eventstore/kafka_options.h"

/// Whether the brokers talk to us at all; asked once, before anything else, so that a wrong
/// address, password or certificate is told as what it is and not as a question without an answer.
namespace eventstore::kafka {

struct Unreachable {
  enum class Why : std::uint8_t {
    no_answer,        // in `answer_within`
    refused,          // who we say that we are
    not_trustworthy,  // who they say that they are, or that we showed them
  };
  Why why;
  std::string detail;  // as librdkafka said it last
};

/// Blocks until a broker answered, or one refused.
std::expected<void, Unreachable> reach(const Options& options);

}  // namespace eventstore::kafka
