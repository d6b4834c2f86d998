// Goal: readers of Kafka's headers and clients of the API see the same event. Method: every sample
// of one event, its headers compared with its JSON, member by member, both ways.

#include <map>

#include <gtest/gtest.h>

#include "api/resources/event_json.h"
#include "eventstore/kafka_records.h"
#include "schemas/json.h"
#include "tests/schemas/samples.h"

namespace api::resources {
namespace {

using Attributes = std::map<std::string, std::string>;

/// Those that a message has elsewhere, or cannot have, left out.
Attributes of_json(const schemas::BatchView& batch) {
  std::string text;
  EXPECT_TRUE(append_event(text, batch, 0, "git", "tm1_mark", nullptr));
  const auto document = schemas::json::parse(text);
  EXPECT_TRUE(document) << text;
  Attributes attributes;
  for (const auto& [name, value] : document->root().members()) {
    if (name == "data" || name == "datacontenttype" || name == "mark") continue;
    attributes.emplace(name, value.is_string() ? std::string(*value.as_string())
                                               : std::to_string(value.as_int64().value()));
  }
  return attributes;
}

Attributes of_headers(const schemas::BuiltBatch& batch) {
  constexpr std::string_view prefix = "ce_";
  const auto headers = eventstore::kafka::headers_of({}, batch.bytes, "git");
  Attributes attributes;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers.get(), i, &name, &value, &size) ==
                          RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    const std::string_view whole(name);
    if (!whole.starts_with(prefix)) continue;
    attributes.emplace(whole.substr(prefix.size()),
                       std::string(static_cast<const char*>(value), size));
  }
  return attributes;
}

TEST(KafkaHeaders, say_what_the_api_says) {
  for (auto sample : schemas::sample_batches()) {
    sample.events.erase(sample.events.begin() + 1, sample.events.end());
    const auto batch = schemas::build_batch(sample.head, sample.events);
    EXPECT_EQ(of_headers(batch), of_json(schemas::BatchView::trusted(batch.bytes))) << sample.name;
  }
}

}  // namespace
}  // namespace api::resources
