// Goal: a pipeline's config is read whole or refused at its place, survives being written, and
// makes of an event what it says. Method: configs as users send them, over one event.
#include "webhooks/transform.h"

#include <gtest/gtest.h>

namespace webhooks {
namespace {

constexpr std::string_view minimal = R"({"name":"p","sink":{"product":"notes"}})";

schemas::Result<PipelineConfig> read(std::string_view json) {
  const auto document = schemas::json::parse(json);
  schemas::json::ObjectReader reader(document->root());
  auto config = read_pipeline_config(reader);
  if (auto done = reader.finish(); !done) return std::unexpected(std::move(done).error());
  return config;
}
/// Where the first mistake is.
std::string wrong_in(std::string_view json) {
  const auto config = read(json);
  if (config) return "";
  return config.error().fields.empty() ? "?" : config.error().fields.front().where;
}
/// The minimal one with a member more.
std::string with(std::string_view member) {
  return R"({"name":"p","sink":{"product":"notes"},)" + std::string(member) + "}";
}

constexpr std::string_view event_text =
    R"({"id":"evt_1","kind":"file","subject":"a/b","type":"file.added","data":{"size":3,"of":"x"}})";

struct Piped {
  schemas::Result<Transform> transform;
  schemas::json::Document event = *schemas::json::parse(event_text);
  explicit Piped(std::string_view config) : transform(Transform::compile(*read(config))) {}

  bool takes() const { return transform->takes(event.root()); }
  schemas::Result<Transform::Made> make(std::string_view rows = "{}") const {
    const auto parsed = schemas::json::parse(rows);
    return transform->make(event.root(), parsed->root());
  }
};

TEST(PipelineConfigs, WhatWasWrittenReadsAsTheSame) {
  for (const std::string_view json : {
           minimal,
           std::string_view(
               R"({"name":"p","source":{"types":["a.*"],"products":["x"],"filter":"event.n > 1"},
               "condition":"true","enrich":[{"as":"row","product":"x","kind":"k","id":"${event.id}"}],
               "map":{"a":["${rows.row}"]},"sink":{"endpoint_id":"we_01h2xcejqtf2nbrexx3vqjhp41",
               "kind":"k","entity":"e","type":"k.t"},"priority":"high"})"),
       }) {
    const auto config = read(json);
    ASSERT_TRUE(config) << config.error().detail;
    const auto written = to_json(*config);
    const auto again = parse_pipeline_config(written);
    ASSERT_TRUE(again) << written;
    EXPECT_EQ(to_json(*again), written);
  }
}

TEST(PipelineConfigs, MistakesAreToldAtTheirPlace) {
  EXPECT_EQ(wrong_in(R"({"sink":{"product":"notes"}})"), "/name");
  EXPECT_EQ(wrong_in(R"({"name":"p"})"), "/sink");
  EXPECT_EQ(wrong_in(R"({"name":"p","sink":{}})"), "/sink/product");
  EXPECT_EQ(wrong_in(R"({"name":"p","sink":{"product":"a","endpoint_id":"we_1"}})"),
            "/sink/endpoint_id");
  EXPECT_EQ(wrong_in(R"({"name":"p","sink":{"product":"a","type":"${1"}})"), "/sink/type");
  EXPECT_EQ(wrong_in(R"({"name":"p","sink":{"product":"a","path":{"x":"y"}}})"), "/sink/path");
  EXPECT_EQ(wrong_in(R"({"name":"p","sink":{"operation":"a","path":{"x":"${"}}})"), "/sink/path");
  EXPECT_EQ(wrong_in(R"({"name":"p","sink":{"operation":"a","kind":"b"}})"), "/sink/kind");
  EXPECT_EQ(wrong_in(with(R"("source":{"filter":"event."})")), "/source/filter");
  EXPECT_EQ(wrong_in(with(R"("condition":"event.")")), "/condition");
  EXPECT_EQ(wrong_in(with(R"("condition":"rows.a")")), "/condition");
  EXPECT_EQ(wrong_in(with(R"("map":{"a":"${x}"})")), "/map");
  EXPECT_EQ(wrong_in(with(R"("map":"a")")), "/map");
  EXPECT_EQ(wrong_in(with(R"("enrich":[{"as":"1a","product":"x","kind":"k","id":"i"}])")),
            "/enrich/0/as");
  EXPECT_EQ(wrong_in(with(R"("enrich":[{"as":"a","product":"x","kind":"k","id":"${rows.a}"}])")),
            "/enrich/0/id");
  EXPECT_EQ(wrong_in(with(R"("priority":"urgent")")), "/priority");
}

TEST(Transforms, AConditionIsTrueOrFalseOrSaysWhatItIs) {
  EXPECT_TRUE(Piped(minimal).takes());
  EXPECT_TRUE(Piped(with(R"("condition":"event.data.size == 3")")).takes());
  EXPECT_FALSE(Piped(with(R"("condition":"event.data.size == 4")")).takes());
  EXPECT_FALSE(Piped(with(R"("source":{"filter":"event.data.nothing == 1"})")).takes());
  const Piped none(with(R"("condition":"event.data.nothing == 1")"));
  EXPECT_TRUE(none.takes());
  EXPECT_TRUE(none.make().error().detail.contains("the pipeline's condition"));
  const Piped number(with(R"("condition":"event.data.size")"));
  EXPECT_TRUE(number.takes());
  EXPECT_TRUE(number.make().error().detail.contains("comes to int"));
}

TEST(Transforms, WithoutMoreItIsTheEventAsItIs) {
  const auto made = Piped(minimal).make();
  ASSERT_TRUE(made);
  EXPECT_EQ(made->kind, "file");
  EXPECT_EQ(made->entity, "a/b");
  EXPECT_EQ(made->type, "file.added");
  EXPECT_EQ(made->data, R"({"size":3,"of":"x"})");
}

TEST(Transforms, SinkAndMapSayWhatBecomesOfIt) {
  const Piped run(R"({"name":"p","map":{"n":"${event.data.size + 1}","row":"${rows.row.name}"},
      "sink":{"product":"notes","kind":"note","entity":"${event.data.of}-${event.data.size}",
              "type":"note.${event.type.split('.')[1]}"}})");
  const auto made = run.make(R"({"row":{"name":"R"}})");
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->kind + " " + made->entity + " " + made->type, "note x-3 note.added");
  EXPECT_EQ(made->data, R"({"n":4,"row":"R"})");
  EXPECT_TRUE(run.make(R"({"row":null})").error().detail.contains("the pipeline's map: '/row'"));
  const Piped unnamed(R"({"name":"p","sink":{"product":"notes","entity":"${event.data.size}"}})");
  EXPECT_TRUE(unnamed.make().error().detail.contains("the pipeline's sink, entity"));
}

TEST(Transforms, IdsOfRowsMayBeNone) {
  const auto ids = [](std::string_view id) {
    const Piped run(with(R"("enrich":[{"as":"row","product":"x","kind":"k","id":")" +
                         std::string(id) + R"("}])"));
    auto found = run.transform->ids(run.event.root());
    return found ? found->front() : "error: " + found.error().detail;
  };
  EXPECT_EQ(ids("${event.data.of}"), "x");
  EXPECT_EQ(ids("fixed"), "fixed");
  EXPECT_EQ(ids("${event.data.?nothing}"), "");
  EXPECT_TRUE(ids("${event.data.nothing}").contains("id of 'row'"));
  EXPECT_TRUE(ids("${event.data.size}").contains("comes to no text"));
}

}  // namespace
}  // namespace webhooks
