// Goal: a record comes back from a message as it was, a damaged one not at all; headers and key say
// of a record what readers without our schemas need. Method: by hand, one kind of record after the
// other; every single-bit flip.

#include "eventstore/kafka_records.h"

#include <map>

#include <gtest/gtest.h>

#include "schemas/crypto.h"
#include "tests/schemas/samples.h"
#include "tests/support/log_fixture.h"

namespace eventstore::kafka {
namespace {

using Shown = std::map<std::string, std::string>;

Shown shown(const Headers& headers) {
  Shown shown;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers.get(), i, &name, &value, &size) ==
                          RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    EXPECT_TRUE(shown.try_emplace(name, static_cast<const char*>(value), size).second) << name;
  }
  return shown;
}

RecordHead events_head(const schemas::BuiltBatch& batch) {
  return {.length = static_cast<std::uint32_t>(batch.bytes.size()),
          .kind = RecordKind::events,
          .epoch = {17, 0x00ab},
          .sequence = 5,
          .payload_crc = schemas::crc32c(batch.bytes)};
}

TEST(KafkaRecords, a_single_event_is_a_cloud_event) {
  auto head = schemas::full_head();
  head.organization = schemas::platform_organization;
  const std::vector events{schemas::sample_event(schemas::Json{R"({"size":1})"})};
  const auto batch = schemas::build_batch(head, events);
  EXPECT_EQ(shown(headers_of(events_head(batch), batch.bytes, "git")),
            (Shown{{"tm_kind", "events"},
                   {"tm_epoch", "17:00000000000000ab"},
                   {"tm_sequence", "5"},
                   {"content-type", "application/vnd.tidemark.record"},
                   {"ce_specversion", "1.0"},
                   {"ce_id", schemas::to_text(events[0].id)},
                   {"ce_source", "/products/git"},
                   {"ce_type", "file.added"},
                   {"ce_subject", "db/builder.cc"},
                   {"ce_time", "2026-05-28T20:26:40.789Z"},
                   {"ce_organization", "org_platform"},
                   {"ce_space", "test"},
                   {"ce_dataschema", "/v2/products/git?version=7"},
                   {"ce_kind", "file"},
                   {"ce_entityversion", "42"},
                   {"ce_recordedtime", "2026-09-21T14:13:20.456Z"},
                   {"ce_actor", schemas::to_text(head.actor)},
                   {"ce_correlationid", "req_0123456789"},
                   {"ce_hops", std::to_string(head.hops)},
                   {"ce_traceparent", std::string(head.traceparent)}}));
  EXPECT_EQ(key_of(events_head(batch), batch.bytes), "org_platform");
}

TEST(KafkaRecords, several_events_are_no_cloud_event) {
  const auto sample = schemas::sample_batches().back();
  ASSERT_GT(sample.events.size(), 1);
  const auto batch = schemas::build_batch(sample.head, sample.events);
  EXPECT_EQ(shown(headers_of(events_head(batch), batch.bytes, "git")),
            (Shown{{"tm_kind", "events"},
                   {"tm_epoch", "17:00000000000000ab"},
                   {"tm_sequence", "5"},
                   {"content-type", "application/vnd.tidemark.record"}}));
  EXPECT_EQ(key_of(events_head(batch), batch.bytes), schemas::to_text(sample.head.organization));
}

TEST(KafkaRecords, a_claim_names_what_it_ends_and_what_it_begins) {
  PartitionState state;
  const auto first = make_claim(state, 0xfedc, "test");
  const Shown expected{{"tm_kind", "claim"},
                       {"tm_predecessor", "-1:0000000000000000"},
                       {"tm_claim_nonce", "000000000000fedc"},
                       {"content-type", "application/vnd.tidemark.record"}};
  EXPECT_EQ(shown(headers_of(first.head, first.payload.bytes(), "git")), expected);
  EXPECT_EQ(key_of(first.head, first.payload.bytes()), "");
  state.apply(7, first.head, first.payload.bytes());
  const auto second = make_claim(state, ~std::uint64_t{0}, "test");
  const auto headers = shown(headers_of(second.head, second.payload.bytes(), "git"));
  EXPECT_EQ(headers.at("tm_predecessor"), "7:000000000000fedc");
  EXPECT_EQ(headers.at("tm_claim_nonce"), "ffffffffffffffff");
}

TEST(KafkaRecords, what_is_neither_event_nor_claim_has_its_place_only) {
  PartitionWriter writer({TopicId{1}, 0});
  writer.claim(1);
  const auto noop = writer.noop("x");
  EXPECT_EQ(shown(headers_of(noop.head, noop.payload.bytes(), "git")),
            (Shown{{"tm_kind", "noop"},
                   {"tm_epoch", "0:0000000000000001"},
                   {"tm_sequence", "0"},
                   {"content-type", "application/vnd.tidemark.record"}}));
  EXPECT_EQ(key_of(noop.head, noop.payload.bytes()), "");
}

/// A value as it came; its bytes are freed.
struct Received {
  explicit Received(const Append& append)
      : value(encode(append.head, append.payload.bytes())), message{} {
    message.payload = value.bytes;
    message.len = value.size;
  }
  ~Received() { std::free(value.bytes); }
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  std::uint8_t& byte(std::size_t at) { return static_cast<std::uint8_t*>(value.bytes)[at]; }

  Value value;
  rd_kafka_message_t message;
};

TEST(KafkaRecords, a_value_is_read_as_it_was_written_or_not_at_all) {
  PartitionWriter writer({TopicId{1}, 0});
  writer.claim(1);
  const auto append = writer.events(R"({"a":1})");
  Received received(append);
  const auto decoded = decode(received.message);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->head.epoch, append.head.epoch);
  EXPECT_EQ(decoded->head.chain, append.head.chain);
  EXPECT_TRUE(std::ranges::equal(decoded->payload, append.payload.bytes()));

  for (std::size_t bit = 0; bit < received.value.size * 8; ++bit) {
    received.byte(bit / 8) ^= static_cast<std::uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(decode(received.message)) << bit;
    received.byte(bit / 8) ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
  for (; received.message.len > 0; --received.message.len) {
    if (received.message.len < received.value.size) EXPECT_FALSE(decode(received.message));
  }
}

}  // namespace
}  // namespace eventstore::kafka
