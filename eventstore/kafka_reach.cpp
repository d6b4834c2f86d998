#include "eventstore/kafka_reach.h"

#include <chrono>
#include <string_view>

#include <fmt/core.h>

#include "eventstore/kafka_client.h"

namespace eventstore::kafka {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto patience = 100ms;  // between two looks at what went wrong

/// What a handle complained of. The first refusal stays: later ones say less.
struct Complaints {
  Unreachable last{Unreachable::Why::no_answer, "nothing was heard of them"};
  bool refused = false;
};

void on_error(rd_kafka_t*, int code, const char* reason, void* opaque) {
  auto& complaints = *static_cast<Complaints*>(opaque);
  if (complaints.refused || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  const std::string_view said(reason);
  complaints.last.detail = said.substr(0, said.find(" (after "));  // how long it was in which state
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    complaints.last.why = Unreachable::Why::refused;
  } else if (code == RD_KAFKA_RESP_ERR__SSL || said.contains("SSL alert")) {
    // An alert is what brokers say to a certificate of ours, or to none.
    complaints.last.why = Unreachable::Why::not_trustworthy;
  } else {
    return;
  }
  complaints.refused = true;
}

/// librdkafka before 2.6.1 puts its nonce into SCRAM's last message twice
/// (confluentinc/librdkafka#4895); brokers from 4.0 on refuse that as they refuse a wrong password.
void explain_scram(const Options& options, Unreachable& complaint) {
  constexpr int fixed_in = 0x02060100;
  const auto mechanism = options.properties.find("sasl.mechanism");
  const bool is_scram =
      mechanism != options.properties.end() && mechanism->second.starts_with("SCRAM");
  if (complaint.why != Unreachable::Why::refused || !is_scram || rd_kafka_version() >= fixed_in) {
    return;
  }
  complaint.detail += fmt::format(
      " (or they are Kafka 4 or later, to which librdkafka before 2.6.1, here {}, cannot log in by "
      "SCRAM: use PLAIN over TLS, or certificates)",
      rd_kafka_version_str());
}

}  // namespace

std::expected<void, Unreachable> reach(const Options& options) {
  Complaints complaints;
  auto asker = make_asker(options, on_error, &complaints);
  if (!asker) {
    return std::unexpected(Unreachable{Unreachable::Why::not_trustworthy, asker.error().detail});
  }
  const auto deadline = Clock::now() + options.answer_within;
  while (true) {
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto code =
        rd_kafka_metadata(asker->get(), 0, nullptr, &metadata,
                          static_cast<int>(std::chrono::milliseconds(patience).count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_metadata_destroy(metadata);
      return {};
    }
    while (rd_kafka_poll(asker->get(), 0) > 0) continue;
    if (complaints.refused || Clock::now() > deadline) {
      explain_scram(options, complaints.last);
      return std::unexpected(complaints.last);
    }
  }
}

}  // namespace eventstore::kafka
