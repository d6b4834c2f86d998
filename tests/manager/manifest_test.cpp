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

std::string with_schema(const std::string& schema) {
  return R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge","schema":)" + schema + "}}}}}";
}
std::string with_aliases(const std::string& aliases) {
  return R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge"},"a.c":{"fold":"replace"}},"aliases":)" +
         aliases + "}}}";
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

TEST(Manifests, AnAliasIsAnotherNameOfADeclaredType) {
  EXPECT_EQ(pointers(with_aliases("{}")), "fine");
  EXPECT_EQ(pointers(with_aliases(R"({"old.b":"a.b"})")), "fine");
  EXPECT_EQ(pointers(with_aliases(R"({"a.c":"a.b"})")), "fine") << "the old type has events";
  EXPECT_EQ(pointers(with_aliases(R"({"old.b":"a.d"})")), "/kinds/k/aliases/old.b");
  EXPECT_EQ(pointers(with_aliases(R"({"old.b":"a.c","a.c":"a.b"})")), "/kinds/k/aliases/old.b");
  EXPECT_EQ(pointers(with_aliases(R"({"old":"a.b"})")), "/kinds/k/aliases/old");
  EXPECT_EQ(pointers(with_aliases(R"({"project.b":"a.b"})")), "/kinds/k/aliases/project.b");
  EXPECT_EQ(pointers(with_aliases(R"({"old.b":1})")), "/kinds/k/aliases/old.b");
  EXPECT_EQ(pointers(with_aliases("[]")), "/kinds/k/aliases");
  auto manifest = Manifest::parse(with_aliases(R"({"old.b":"a.b","a.c":"a.b"})"), 1);
  const auto& kind = manifest->kinds().at("k");
  EXPECT_EQ(kind.written_as("old.b")->first, "a.b");
  EXPECT_EQ(kind.written_as("a.c")->first, "a.b");
  EXPECT_EQ(kind.written_as("a.b")->first, "a.b");
  EXPECT_EQ(kind.written_as("a.d"), nullptr);
}

TEST(Manifests, IndexesUniqueRulesAndProjectsArePointers) {
  auto with = [](const std::string& more) {
    return pointers(R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge"}},)" + more + "}}}");
  };
  EXPECT_EQ(with(R"("indexes":["/a","/b/0","/c~1d"],"unique":["/a",["/b","/c"]],"project":"/p")"),
            "fine");
  for (auto wrong : {R"("a")", R"(["a"])", R"([""])", R"(["/"])", R"(["/a","/a"])", R"(["/~2"])",
                     R"([["/a"]])", R"([1])", R"(["/a\u0000"])"}) {
    EXPECT_EQ(with(R"("indexes":)" + std::string(wrong)), "/kinds/k/indexes") << wrong;
  }
  EXPECT_EQ(with(R"("indexes":["/)" + std::string(250, 'a') + R"("])"), "/kinds/k/indexes");
  EXPECT_EQ(with(R"("unique":[["/a","/b","/c","/d","/e"]])"), "/kinds/k/unique");
  EXPECT_EQ(with(R"("unique":[[]])"), "/kinds/k/unique");
  EXPECT_EQ(with(R"("project":"p")"), "/kinds/k/project");
  std::string many = R"("/i0")";
  for (int i = 1; i < 17; ++i) many += R"(,"/i)" + std::to_string(i) + "\"";
  EXPECT_EQ(with("\"indexes\":[" + many + "]"), "/kinds/k/indexes");
}

TEST(Manifests, SchemasHaveFiveHundredRegularExpressionsInAll) {
  std::string patterns;
  for (int i = 0; i < 100; ++i) {
    patterns += (i == 0 ? "" : ",") + std::string(R"({"pattern":"a"})");
  }
  auto manifest = [&](int types) {
    std::string json = R"({"kinds":{"k":{"events":{)";
    for (int i = 0; i < types; ++i) {
      json += (i == 0 ? "" : ",") + std::string("\"a.b") + std::to_string(i) +
              R"(":{"fold":"merge","schema":{"allOf":[)" + patterns + "]}}";
    }
    return json + "}}}}";
  };
  EXPECT_EQ(pointers(manifest(5)), "fine");
  EXPECT_EQ(pointers(manifest(6)), "/kinds/k/events/a.b5/schema");
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

TEST(Manifests, SayWhatIsSealed) {
  const auto with = [](const std::string& members) {
    return R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge"}},)" + members + "}}}";
  };
  auto manifest = Manifest::parse(
      with(R"("sealed":["/email","/who/name"],"indexes":["/email"],"unique":[["/a","/email"]])"),
      1);
  ASSERT_TRUE(manifest);
  const auto& kind = manifest->kinds().at("k");
  EXPECT_EQ(kind.sealed, (std::vector<std::string>{"/email", "/who/name"}));
  EXPECT_TRUE(kind.finds_by("/email"));
  EXPECT_FALSE(kind.finds_by("/who/name"));
  EXPECT_TRUE(kind.unique.front().is_sealed("/email"));
  EXPECT_FALSE(kind.unique.front().is_sealed("/a"));
  EXPECT_EQ(pointers(with(R"("sealed":[])")), "fine");
  EXPECT_EQ(pointers(with(R"("sealed":["/a"],"project":"/ab")")), "fine");
  for (auto wrong : {R"("sealed":"/a")", R"("sealed":["a"])", R"("sealed":[1])",
                     R"("sealed":["/a","/a"])", R"("sealed":["/a/b","/a"])", R"("sealed":[""])",
                     R"("sealed":["/a","/b","/c","/d","/e","/f","/g","/h","/i","/j","/k","/l","/m",
                         "/n","/o","/p","/q"])"}) {
    EXPECT_EQ(pointers(with(wrong)), "/kinds/k/sealed") << wrong;
  }
  EXPECT_EQ(pointers(with(R"("sealed":["/a"],"indexes":["/a/b"])")), "/kinds/k/indexes");
  EXPECT_EQ(pointers(with(R"("sealed":["/a"],"unique":[["/c","/a/b"]])")), "/kinds/k/unique");
  EXPECT_EQ(pointers(with(R"("sealed":["/a"],"project":"/a")")), "/kinds/k/project");
  EXPECT_EQ(pointers(with(R"("sealed":["/a"],"project":"/a/id")")), "/kinds/k/project");
}

TEST(Manifests, BoundHistory) {
  const auto with = [](const std::string& members) {
    return R"({"kinds":{"k":{"events":{"a.b":{"fold":"merge"}},)" + members + "}}}";
  };
  const auto bounds = [&](const std::string& members) {
    auto manifest = Manifest::parse(with(members), 1);
    return manifest ? manifest->kinds().at("k").keep : schemas::Bounds{99, 99};
  };
  EXPECT_EQ(bounds(R"("keep_versions":10,"keep_age":"90d")"), (schemas::Bounds{10, 7'776'000}));
  EXPECT_EQ(bounds(R"("keep_age":"9999d")"), (schemas::Bounds{0, 863'913'600}));
  EXPECT_EQ(bounds(R"("keep_age":"1s")"), (schemas::Bounds{0, 1}));
  EXPECT_EQ(bounds(R"("keep_age":"2m")"), (schemas::Bounds{0, 120}));
  EXPECT_EQ(bounds(R"("keep_age":"3h")"), (schemas::Bounds{0, 10'800}));
  for (auto wrong : {"0", "1000001", "-1", "1.5", "\"3\""}) {
    EXPECT_EQ(pointers(with(R"("keep_versions":)" + std::string(wrong))), "/kinds/k/keep_versions");
  }
  for (auto wrong : {"0s", "01d", "10000d", "d", "", "9", "9w", "9 d", "-9d"}) {
    EXPECT_EQ(pointers(with(R"("keep_age":")" + std::string(wrong) + "\"")), "/kinds/k/keep_age")
        << wrong;
  }
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
  EXPECT_EQ(pointers(with_schema(R"({"type":"objekt"})")), "/kinds/k/events/a.b/schema/type");
  EXPECT_EQ(pointers(with_schema(R"({"$ref":"other.json"})")), "/kinds/k/events/a.b/schema/$ref");
  EXPECT_EQ(pointers(with_schema("3")), "/kinds/k/events/a.b/schema");
  EXPECT_EQ(pointers(R"({"x":1,"kinds":{"k":{"events":{"a.b":{"fold":"merge","schema":0}}}}})"),
            "/x /kinds/k/events/a.b/schema");
  EXPECT_EQ(pointers(R"({"kind":1,"kinds":{"k":{"events":{"a.b":{"fold":"merge"}}}}})"), "/kind");
}

}  // namespace
}  // namespace manager
