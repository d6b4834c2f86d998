#include "webhooks/event_source.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace webhooks {
namespace {

/// `name|id|data` of each event, fed in pieces of that size.
std::vector<std::string> events_of(std::string_view text, std::size_t piece) {
  std::vector<std::string> events;
  EventSource source;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    source.feed(text.substr(0, piece), [&](const EventSource::Event& event) {
      events.push_back(event.name + "|" + event.id + "|" + event.data);
      return true;
    });
  }
  return events;
}

TEST(EventSource, ReadsWhatIsWholeHoweverItIsCut) {
  constexpr std::string_view text =
      "retry: 1000\n\n: a comment\nevent: position\nid: m1\ndata: {}\n\n"
      "id:m2\ndata:first\ndata: second\n\r\n"
      "data\r\rid\ndata: without an id\r\n\r\nevent: nothing\nid: m3\n\n"
      "data: { \"a\": 1 }\nother: x\n\ndata: not whole\n";
  const std::vector<std::string> expected{"position|m1|{}", "|m2|first\nsecond", "|m2|",
                                          "||without an id", "|m3|{ \"a\": 1 }"};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(events_of(text, piece), expected) << piece;
  }
}

TEST(EventSource, StopsWhenToldSo) {
  EventSource source;
  int count = 0;
  EXPECT_FALSE(source.feed("data: 1\n\ndata: 2\n\n", [&](const auto&) { return ++count > 5; }));
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace webhooks
