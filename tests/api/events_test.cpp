// Goal: events come in one order, from any place, and each one's mark leads on behind exactly it.
// Method: requests over a platform in memory; ranges by mark and by time against the whole list,
// forwards and backwards, with records of several events and of several products.
#include "tests/api/api_fixture.h"

namespace api {
namespace {

constexpr std::string_view manifest =
    R"({"kinds":{"file":{"events":{"file.added":{"fold":"replace"}}}}})";

class Events : public ApiTest {
 protected:
  struct Event {
    std::string id;
    std::string mark;
    std::string time;
    std::string subject;
  };

  Events() : acme_(organization("acme")), key_(key_of(acme_)) {
    platform("PUT /v2/products/git", std::string(manifest));
    for (int i = 0; i < 3; ++i) {
      pass();
      project();
      project();
      pass();
      batch(i);
    }
  }

  void pass() { world_.clock().pass(std::chrono::milliseconds(1)); }
  void project() { ask(key_, "POST /v2/projects", R"({"name":"P"})"); }
  void batch(int number) {
    std::string events;
    for (int i = 0; i < 4; ++i) {
      events += std::string(i > 0 ? "," : "") + R"({"kind":"file","entity":")" +
                std::to_string(number) + "-" + std::to_string(i) +
                R"(","type":"file.added","data":{}})";
    }
    auto written = ask(key_, "POST /v2/products/git/events", R"({"events":[)" + events + "]}");
    ASSERT_EQ(written.status, 201u) << written.body;
    batch_marks_.push_back(written.header("Tidemark"));
  }

  static std::vector<Event> events_in(const Got& page) {
    std::vector<Event> events;
    auto document = schemas::json::parse(page.body);
    EXPECT_EQ(page.status, 200u) << page.body;
    auto data = document->root().find("data");
    if (!data) return events;
    for (auto event : data->elements()) {
      auto text = [&](std::string_view name) {
        return std::string(*event.find(name)->as_string());
      };
      events.push_back({text("id"), text("mark"), text("recordedtime"), text("subject")});
    }
    return events;
  }
  /// All pages of a list, a few events each.
  std::vector<Event> all(const std::string& query = "", const std::string& limit = "1000") {
    std::vector<Event> events;
    std::string after = query.find("order=desc") == std::string::npos ? "&after=beginning" : "";
    for (int pages = 0; pages < 100; ++pages) {
      auto page = ask(key_, "GET /v2/events?limit=" + limit + query + after);
      for (auto& event : events_in(page)) events.push_back(std::move(event));
      if (page.at("/caught_up") == "true") return events;
      after = "&after=" + page.at("/next");
    }
    ADD_FAILURE() << "the pages do not end";
    return events;
  }
  static std::vector<std::string> ids(const std::vector<Event>& events) {
    std::vector<std::string> ids;
    for (const auto& event : events) ids.push_back(event.id);
    return ids;
  }
  static std::vector<std::string> range(const std::vector<Event>& events, std::size_t from,
                                        std::size_t to) {
    return ids({events.begin() + from, events.begin() + to});
  }

  std::string acme_;
  std::string key_;
  std::vector<std::string> batch_marks_;
};

TEST_F(Events, EveryPageSizeGivesTheSameInBothDirections) {
  const auto whole = ids(all());
  ASSERT_EQ(whole.size(), 1 + 3 * 6u);
  auto backwards = whole;
  std::ranges::reverse(backwards);
  for (const auto* limit : {"1", "2", "3", "5", "7", "1000"}) {
    EXPECT_EQ(ids(all("", limit)), whole) << limit;
    EXPECT_EQ(ids(all("&order=desc", limit)), backwards) << limit;
  }
}

TEST_F(Events, EachMarkLeadsOnBehindExactlyItsEvent) {
  const auto whole = all();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto rest = ask(key_, "GET /v2/events?limit=1000&after=" + whole[i].mark);
    EXPECT_EQ(ids(events_in(rest)), range(whole, i + 1, whole.size())) << i;
    auto before = ask(key_, "GET /v2/events?order=desc&limit=1000&after=" + whole[i].mark);
    auto expected = range(whole, 0, i);
    std::ranges::reverse(expected);
    EXPECT_EQ(ids(events_in(before)), expected) << i;
  }
}

TEST_F(Events, MarksAreTheSameHoweverTheyWereReached) {
  const auto whole = all();
  const auto paged = all("", "2");
  auto backwards = all("&order=desc", "3");
  std::ranges::reverse(backwards);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(whole[i].mark, paged[i].mark);
    EXPECT_EQ(whole[i].mark, backwards[i].mark);
  }
}

TEST_F(Events, RangesByMarkTileWhateverTheDirection) {
  const auto whole = all();
  // Places at the beginnings of records: 0 key, then two projects and a batch of four each.
  for (std::size_t from : {0u, 1u, 2u, 3u, 7u, 8u, 9u, 13u}) {
    for (std::size_t to : {1u, 2u, 3u, 7u, 9u, 13u, 14u}) {
      if (to < from) continue;
      const auto query = "&from=" + whole[from].mark + "&to=" + whole[to].mark;
      EXPECT_EQ(ids(all(query, "2")), range(whole, from, to)) << from << " " << to;
      auto backwards = ids(all(query + "&order=desc", "2"));
      std::ranges::reverse(backwards);
      EXPECT_EQ(backwards, range(whole, from, to)) << from << " " << to;
    }
  }
}

TEST_F(Events, ARangeByAWritesMarkHoldsTheWholeRecord) {
  const auto whole = all();
  EXPECT_EQ(ids(all("&from=" + batch_marks_[1])), range(whole, 9, whole.size()));
  EXPECT_EQ(ids(all("&to=" + batch_marks_[1])), range(whole, 0, 9));
}

TEST_F(Events, ARangeByTimeIsInclusiveAndExclusive) {
  const auto whole = all();
  EXPECT_EQ(ids(all("&from=" + whole[3].time + "&to=" + whole[9].time)), range(whole, 3, 9));
}

TEST_F(Events, BehindAWritesMarkNothingOlderOfOtherProductsComes) {
  const auto whole = all();
  auto rest = events_in(ask(key_, "GET /v2/events?limit=1000&after=" + batch_marks_[0]));
  EXPECT_EQ(ids(rest), range(whole, 7, whole.size()));
}

TEST_F(Events, AFilterMovesOnOverWhatItDrops) {
  auto page = ask(key_, "GET /v2/events?after=beginning&type=nothing.here");
  EXPECT_EQ(page.at("/data"), "[]");
  EXPECT_EQ(page.at("/caught_up"), "true");
  EXPECT_EQ(ask(key_, "GET /v2/events?after=" + page.at("/next")).at("/data"), "[]");
  EXPECT_EQ(all("&product=git&subject=1-2").size(), 1u);
  EXPECT_EQ(all("&type=file.*&kind=file").size(), 12u);
  EXPECT_EQ(all("&product=projects&kind=file").size(), 0u);
}

TEST_F(Events, AProductsFirstEventIsNotMissedByAnOlderMark) {
  platform("PUT /v2/products/hg", std::string(manifest));
  const auto last = all().back();
  ask(key_, "POST /v2/products/hg/file/x/events",
      R"({"events":[{"type":"file.added","data":{}}]})");
  auto rest = events_in(ask(key_, "GET /v2/events?after=" + last.mark));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest.front().subject, "x");
}

TEST_F(Events, AnEntitysEventsArePagedByVersionInBothDirections) {
  auto made = ask(key_, "POST /v2/projects", R"({"name":"V"})");
  const auto path = "/v2/projects/" + made.at("/id");
  for (int i = 0; i < 4; ++i) {
    ask(key_, "PATCH " + path, R"({"name":"V)" + std::to_string(i) + R"("})");
  }
  auto mark = ask(key_, "GET " + path).header("Tidemark");
  ask(key_, "DELETE " + path);
  auto versions = [&](std::string query) {
    std::string found;
    for (int pages = 0; pages < 10; ++pages) {
      auto page = ask(key_, "GET " + path + "/events?limit=2" + query);
      for (int i = 0; page.at("/data/" + std::to_string(i)) != "nothing there"; ++i) {
        found += page.at("/data/" + std::to_string(i) + "/entityversion");
      }
      if (page.at("/next_cursor") == "null") return found;
      auto at = query.find("&cursor=");
      query = query.substr(0, at) + "&cursor=" + page.at("/next_cursor");
    }
    return found;
  };
  EXPECT_EQ(versions(""), "123456");
  EXPECT_EQ(versions("&order=desc"), "654321");
  EXPECT_EQ(versions("&after_version=3"), "456");
  EXPECT_EQ(versions("&order=desc&after_version=3"), "654");
  EXPECT_EQ(versions("&as_of=" + mark), "12345");
  EXPECT_EQ(versions("&order=desc&as_of=" + mark), "54321");
}

TEST_F(Events, ARestrictedKeySeesEventsOfItsProjectsOnly) {
  auto made = ask(key_, "POST /v2/projects", R"({"name":"Mine"})").at("/id");
  auto restricted = key_of(acme_, R"(["*"])", R"(,"projects":[")" + made + R"("])");
  auto seen = events_in(ask(restricted, "GET /v2/events?after=beginning&limit=1000"));
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen.front().subject, made);
  EXPECT_EQ(ask(restricted, "GET /v2/products/git/file").problem(), "not-found");
  EXPECT_EQ(ask(restricted, "GET /v2/products/git/file/0-0/events").problem(), "not-found");
}

TEST_F(Events, OfAKeyNothingSecretIsShown) {
  auto page = ask(key_, "GET /v2/events?type=key.created");
  EXPECT_EQ(page.at("/data/0/data/name"), "k");
  EXPECT_EQ(page.at("/data/0/data/digest"), "nothing there");
  EXPECT_EQ(page.body.find(key_), std::string::npos);
}

}  // namespace
}  // namespace api
