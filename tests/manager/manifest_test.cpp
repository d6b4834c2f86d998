// Goal: a manifest says how each type folds, and a wrong one is refused with a pointer to what is
// wrong. Method: names and texts by hand.

#include "manager/manifest.h"

#include <gtest/gtest.h>

namespace manager {
namespace {

std::string pointers(std::string_view json) {
  auto manifest = Manifest::parse(json, 1);
  if (manifest) return "fine";
  std::string all;
  for (const auto& field : manifest.error().fields) all += (all.empty() ? "" : " ") + field.where;
  return all.empty() ? "malformed" : all;
}
std::string with_kind(const std::string& name) {
  return R"({"kinds":{")" + name + R"(":{"events":{"a.b":{"fold":"merge"}}}}})";
}
std::string with_type(const std::string& name) {
  return R"({"kinds":{"k":{"events":{")" + name + R"(":{"fold":"merge"}}}}})";
}

TEST(Manifests, SayHowEachTypeFolds) {
  auto manifest = Manifest::parse(R"({"kinds":{"file":{"events":{
      "file.set":{"fold":"replace"},"file.changed":{"fold":"merge"},"file.gone":{"fold":"delete"}}},
      "tag":{"events":{"tag.set":{"fold":"replace"}}}}})",
                                  7);
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->version(), 7u);
  EXPECT_EQ(manifest->fold_of("file", "file.set"), schemas::Fold::replace);
  EXPECT_EQ(manifest->fold_of("file", "file.changed"), schemas::Fold::merge);
  EXPECT_EQ(manifest->fold_of("file", "file.gone"), schemas::Fold::remove);
  EXPECT_FALSE(manifest->fold_of("file", "tag.set"));
  EXPECT_FALSE(manifest->fold_of("dir", "file.set"));
}

TEST(Manifests, KindsHaveSmallNames) {
  for (auto name : {"file", "f", "a-b_c9", "resource_kind2"}) {
    EXPECT_EQ(pointers(with_kind(name)), "fine") << name;
  }
  EXPECT_EQ(pointers(with_kind(std::string(48, 'a'))), "fine");
  for (auto name : {"", "File", "9a", "-a", "a b", "a/b", "ä", "events", "dry-run", "versions"}) {
    EXPECT_NE(pointers(with_kind(name)), "fine") << name;
  }
  EXPECT_NE(pointers(with_kind(std::string(49, 'a'))), "fine");
}

TEST(Manifests, TypesAreWordsJoinedByPointsAndNotBuiltInOnes) {
  for (auto name : {"file.added", "a.b.c", "a_b.c9", "projects.x", "keys.used"}) {
    EXPECT_EQ(pointers(with_type(name)), "fine") << name;
  }
  for (auto name : {"", "file", ".a", "a.", "a..b", "A.b", "a.B", "a b.c", "9.a", "project.created",
                    "key.x", "organization.y", "product.z", "resource.a", "delivery.b"}) {
    EXPECT_NE(pointers(with_type(name)), "fine") << name;
  }
  EXPECT_EQ(pointers(with_type("a." + std::string(98, 'b'))), "fine");
  EXPECT_NE(pointers(with_type("a." + std::string(99, 'b'))), "fine");
}

/// Many kinds with as many types each.
std::string many(std::size_t kinds, std::size_t types) {
  std::string json = R"({"kinds":{)";
  for (std::size_t k = 0; k < kinds; ++k) {
    json += (k == 0 ? "\"k" : ",\"k") + std::to_string(k) + R"(":{"events":{)";
    for (std::size_t t = 0; t < types; ++t) {
      json += (t == 0 ? "\"a.b" : ",\"a.b") + std::to_string(t) + R"(":{"fold":"merge"})";
    }
    json += "}}";
  }
  return json + "}}";
}

TEST(Manifests, AThousandKindsAndTypesInAllAndNoMore) {
  EXPECT_EQ(pointers(many(1, 999)), "fine");
  EXPECT_EQ(pointers(many(500, 1)), "fine");
  EXPECT_EQ(pointers(many(1, 1000)), "/kinds/k0/events");
  EXPECT_EQ(pointers(many(2, 500)), "/kinds/k1/events");
  EXPECT_EQ(pointers(many(1001, 0)), "/kinds");
  EXPECT_EQ(pointers(many(100'000, 1)), "/kinds") << "at once, without reading them";
}

TEST(Manifests, EveryWrongMemberHasItsPointer) {
  EXPECT_EQ(pointers("[]"), "malformed");
  EXPECT_EQ(pointers("{}"), "/kinds");
  EXPECT_EQ(pointers(R"({"kinds":{}})"), "/kinds");
  EXPECT_EQ(pointers(R"({"kinds":{"k":{"events":{}}}})"), "/kinds/k/events");
  EXPECT_EQ(pointers(R"({"kinds":{"k":{}}})"), "/kinds/k/events");
  EXPECT_EQ(pointers(R"({"kinds":{"k":{"events":{"a.b":{}}}}})"), "/kinds/k/events/a.b/fold");
  EXPECT_EQ(pointers(R"({"kinds":{"k":{"events":{"a.b":{"fold":"x"}}}}})"),
            "/kinds/k/events/a.b/fold");
  EXPECT_EQ(pointers(R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge","x":1}}}}})"),
            "/kinds/k/events/a.b/x");
  EXPECT_EQ(pointers(R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge"}},"indexes":[]}}})"),
            "/kinds/k/indexes");
  EXPECT_EQ(pointers(R"({"kind":1,"kinds":{"k":{"events":{"a.b":{"fold":"merge"}}}}})"), "/kind");
}

}  // namespace
}  // namespace manager
