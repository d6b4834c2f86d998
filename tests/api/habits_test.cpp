// Goal: what all routes have in common holds: marks, the past, conditions, lists, frozen products.
// Method: requests through the whole route table over a platform in memory whose commits the test
// drives; projects stand for everything. The same habits are seen from outside in tests/e2e.
#include "tests/api/api_fixture.h"

namespace api {
namespace {

class Habits : public ApiTest {
 protected:
  Habits() : acme_(organization("acme")), key_(key_of(acme_)) {}

  Got get(std::string line, Headers headers = {}) { return ask(key_, "GET " + line, "", headers); }
  /// Ids of one millisecond are in no order.
  Got create(std::string_view name) {
    world_.clock().pass(std::chrono::milliseconds(1));
    return ask(key_, "POST /v2/projects", R"({"name":")" + std::string(name) + R"("})");
  }
  Got rename(const Got& project, std::string_view name, Headers headers = {}) {
    return ask(key_, "PATCH /v2/projects/" + project.at("/id"),
               R"({"name":")" + std::string(name) + R"("})", headers);
  }

  std::string acme_;
  std::string key_;
};

TEST_F(Habits, AnAnswersMarkNamesWhatItShows) {
  auto made = create("P");
  const auto path = "/v2/projects/" + made.at("/id");
  auto read = get(path);
  EXPECT_EQ(read.header("Tidemark"), made.header("Tidemark"));
  auto changed = rename(made, "Q");
  EXPECT_NE(changed.header("Tidemark"), made.header("Tidemark"));
  EXPECT_EQ(get(path + "?as_of=" + made.header("Tidemark")).body, made.body);
  EXPECT_EQ(get(path + "?as_of=" + read.header("Tidemark")).body, made.body);
  EXPECT_EQ(get(path + "?as_of=" + changed.header("Tidemark")).body, changed.body);
}

TEST_F(Habits, RefusalsCarryAMarkToo) {
  EXPECT_EQ(get("/v2/projects/x").header("Tidemark").substr(0, 4), "tm1_");
  EXPECT_EQ(ask(key_, "POST /v2/projects", "{}").header("Tidemark").substr(0, 4), "tm1_");
  EXPECT_EQ(ask("", "GET /v2/projects").header("Tidemark"), "");
}

TEST_F(Habits, AMarkBeyondTheLogsEndIsLost) {
  auto made = create("P");
  schemas::MarkedPosition ahead{
      services_.topics.log_of(world_.topic("projects"), *schemas::parse_organization(acme_)),
      1'000'000,
      schemas::Position::whole_record,
      {}};
  auto mark = services_.marks.encode(*schemas::parse_organization(acme_), schemas::Space::live,
                                     {&ahead, 1});
  EXPECT_EQ(get("/v2/projects", {{"Tidemark", mark}}).problem(), "lost-mark");
  EXPECT_EQ(get("/v2/projects?as_of=" + mark).problem(), "lost-mark");
  EXPECT_EQ(get("/v2/events?after=" + mark).problem(), "lost-mark");
  ahead.offset = 1;
  mark = services_.marks.encode(*schemas::parse_organization(acme_), schemas::Space::live,
                                {&ahead, 1});
  EXPECT_EQ(get("/v2/projects", {{"Tidemark", mark}}).problem(), "lost-mark") << "check differs";
}

TEST_F(Habits, WhoeverLostAMarkIsToldWhereToBeginAgain) {
  create("P");
  schemas::MarkedPosition ahead{
      services_.topics.log_of(world_.topic("projects"), *schemas::parse_organization(acme_)),
      1'000'000,
      schemas::Position::whole_record,
      {}};
  auto mark = services_.marks.encode(*schemas::parse_organization(acme_), schemas::Space::live,
                                     {&ahead, 1});
  auto earliest = get("/v2/events?after=" + mark).at("/earliest_mark");
  EXPECT_EQ(get("/v2/events?after=" + earliest).body, get("/v2/events?after=beginning").body);
  EXPECT_EQ(get("/v2/projects?as_of=" + earliest).at("/data"), "[]");
}

TEST_F(Habits, AnOrganizationsKeyListsItsOwnOrganization) {
  world_.clock().pass(std::chrono::milliseconds(1));
  organization("other");
  EXPECT_EQ(get("/v2/organizations").at("/data/0/id"), acme_);
  EXPECT_EQ(get("/v2/organizations").at("/data/1"), "nothing there");
  EXPECT_EQ(get("/v2/organizations?state=suspended").at("/data"), "[]");
  EXPECT_EQ(get("/v2/organizations?slug=acme&limit=1").at("/next_cursor"), "null");
  EXPECT_EQ(platform("GET /v2/organizations").at("/data/1/slug"), "other");
}

TEST_F(Habits, APlatformKeyMayUseMarksOfTheOrganizationAndOfThePlatform) {
  const Headers within{{"Tidemark-Organization", acme_}};
  auto of_platform = platform("GET /v2/organizations").header("Tidemark");
  auto of_acme = create("P").header("Tidemark");
  EXPECT_EQ(platform("GET /v2/projects?at_least=" + of_platform, "", within).status, 200u);
  EXPECT_EQ(platform("GET /v2/projects?at_least=" + of_acme, "", within).status, 200u);
  EXPECT_EQ(get("/v2/projects?at_least=" + of_platform).problem(), "foreign-mark");
}

TEST_F(Habits, ConditionsHoldOnWhatIsCurrent) {
  auto made = create("P");
  EXPECT_EQ(rename(made, "Q", {{"If-Match", "\"2\""}}).at("/current_version"), "1");
  EXPECT_EQ(rename(made, "Q", {{"If-Match", "\"1\""}}).at("/version"), "2");
  auto unchanged = get("/v2/projects/" + made.at("/id"), {{"If-None-Match", "\"2\""}});
  EXPECT_EQ(unchanged.status, 304u);
  EXPECT_EQ(unchanged.header("ETag"), "\"2\"");
}

TEST_F(Habits, ParametersAreCheckedByTheTable) {
  for (const auto& [query, name] :
       std::vector<std::pair<std::string, std::string>>{{"colour=red", "colour"},
                                                        {"limit=0", "limit"},
                                                        {"limit=1001", "limit"},
                                                        {"limit=1&limit=2", "limit"},
                                                        {"order=up", "order"},
                                                        {"state=frozen", "state"},
                                                        {"created_after=x", "created_after"},
                                                        {"stale=yes", "stale"},
                                                        {"cursor=", "cursor"},
                                                        {"as_of=x", "as_of"}}) {
    auto refused = get("/v2/projects?" + query);
    EXPECT_EQ(refused.problem(), "invalid-parameter") << query;
    EXPECT_EQ(refused.where(), name) << query;
  }
}

TEST_F(Habits, ACursorIsOfItsListOnly) {
  for (const auto* name : {"A", "B", "C"}) create(name);
  auto cursor = get("/v2/projects?limit=1").at("/next_cursor");
  EXPECT_EQ(get("/v2/projects?limit=2&cursor=" + cursor).at("/data/1/name"), "C");
  EXPECT_EQ(get("/v2/projects?order=desc&cursor=" + cursor).where(), "cursor");
  EXPECT_EQ(get("/v2/auth/keys?cursor=" + cursor).where(), "cursor");
  EXPECT_EQ(ask(key_of(organization("other")), "GET /v2/projects?cursor=" + cursor).where(),
            "cursor");
}

TEST_F(Habits, KeysOfBothSpacesAreOneListForThePlatform) {
  const Headers within{{"Tidemark-Organization", acme_}};
  for (const auto* space : {"test", "live", "test"}) {
    world_.clock().pass(std::chrono::milliseconds(1));
    platform("POST /v2/auth/keys",
             R"({"name":"k","permissions":["*"],"space":")" + std::string(space) + R"("})", within);
    world_.clock().pass(std::chrono::milliseconds(1));
  }
  auto spaces = [](const Got& page) {
    std::string text;
    for (int i = 0; i < 4; ++i) text += page.at("/data/" + std::to_string(i) + "/space") + " ";
    return text;
  };
  EXPECT_EQ(spaces(platform("GET /v2/auth/keys", "", within)), "live test live test ");
  std::string paged;
  std::string query = "?limit=1";
  for (int page = 0; page < 4; ++page) {
    auto got = platform("GET /v2/auth/keys" + query, "", within);
    paged += got.at("/data/0/space") + " ";
    query = "?limit=1&cursor=" + got.at("/next_cursor");
  }
  EXPECT_EQ(paged, "live test live test ");
  EXPECT_EQ(platform("GET /v2/auth/keys?space=test&limit=1", "", within).at("/data/0/space"),
            "test");
}

TEST_F(Habits, AFrozenProductAnswersWhyAndTheOthersGoOn) {
  create("P");
  const auto log =
      services_.topics.log_of(world_.topic("projects"), *schemas::parse_organization(acme_));
  services_.progress.set_frozen(
      {{{*schemas::parse_organization(acme_), schemas::Space::live, world_.topic("projects")},
        log.partition,
        0,
        "event evt_1 cannot be applied"}});
  auto refused = get("/v2/projects");
  EXPECT_EQ(refused.problem(), "projection-frozen");
  EXPECT_EQ(refused.at("/detail"), "event evt_1 cannot be applied");
  EXPECT_EQ(get("/v2/auth/keys").status, 200u);
  EXPECT_EQ(ask(key_of(organization("other")), "GET /v2/projects").status, 200u);
}

TEST_F(Habits, NothingOfABodyIsPassedOver) {
  EXPECT_EQ(ask(key_, "POST /v2/projects", R"({"name":"A","nam":1})").where(), "/nam");
  EXPECT_EQ(ask(key_, "POST /v2/projects", "[]").where(), "");
  EXPECT_EQ(ask(key_, "POST /v2/projects", "{").problem(), "malformed-json");
  auto made = create("P");
  const auto path = "/v2/projects/" + made.at("/id");
  EXPECT_EQ(ask(key_, "POST " + path + "/archive", R"({"why":1})").where(), "/why");
  EXPECT_EQ(ask(key_, "PATCH " + path, R"({"name":null})").where(), "/name");
  EXPECT_EQ(ask(key_, "PATCH " + path, R"({"slug":null})").where(), "/slug");
  EXPECT_EQ(
      ask(key_, "POST /v2/projects", R"({"name":"A"})", {{"Content-Type", "text/plain"}}).problem(),
      "unsupported-media-type");
}

}  // namespace
}  // namespace api
