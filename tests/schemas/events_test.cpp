// Goal: an event's names say what it is. Method: every type of the samples; the tables by hand.

#include "schemas/events.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/schemas/samples.h"

namespace schemas {
namespace {

TEST(Events, EveryBuiltInTypeBeginsWithItsKindAndIsNamedOnce) {
  std::set<std::size_t> alternatives;
  std::set<std::string_view> types;
  for (const auto& sample : sample_batches()) {
    for (const auto& event : sample.events) {
      alternatives.insert(event.data.index());
      if (std::holds_alternative<Json>(event.data)) continue;
      const auto type = type_of(event.data);
      const auto kind = kind_of(event.data);
      types.insert(type);
      EXPECT_TRUE(type.starts_with(std::string(kind) + ".")) << type;
      EXPECT_FALSE(kind.empty());
    }
  }
  EXPECT_EQ(alternatives.size(), std::variant_size_v<EventData> - 1) << "a type without a sample";
  EXPECT_EQ(types.size(), std::variant_size_v<EventData> - 2) << "two types of one name";
}

TEST(Events, DeclaredAndUnknownEventsHaveNoNameOfTheirOwn) {
  EXPECT_EQ(type_of(Json{}), "");
  EXPECT_EQ(kind_of(Json{}), "");
  EXPECT_EQ(type_of(UnknownEvent{}), "");
}

TEST(Events, AnEntityIsShownByItsIdItsNameOrBoth) {
  const auto id = id_of(1);
  EXPECT_EQ(entity_text("project", {id, {}}), typeid_text("proj", id));
  EXPECT_EQ(entity_text("organization", {id, {}}), typeid_text("org", id));
  EXPECT_EQ(entity_text("key", {id, {}}), typeid_text("key", id));
  EXPECT_EQ(entity_text("file", {{}, "db/builder.cc"}), "db/builder.cc");
  EXPECT_EQ(entity_text("project", {id, "secrets/A"}), typeid_text("proj", id) + "/secrets/A");
  EXPECT_EQ(entity_text("product", {{}, "git"}), "git");
}

}  // namespace
}  // namespace schemas
