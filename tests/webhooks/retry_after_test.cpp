// Goal: both forms of Retry-After are read, dates in the three forms of RFC 9110, and nothing that
// only looks like one.

#include "webhooks/retry_after.h"

#include <gtest/gtest.h>

#include "schemas/time.h"

namespace webhooks {
namespace {

struct Row {
  std::string_view header;
  std::string_view expected;  // `-`: nothing
};

constexpr Row rows[] = {
    {"0", "2026-11-22T07:00:00.000Z"},
    {"120", "2026-11-22T07:02:00.000Z"},
    {"\t120 ", "2026-11-22T07:02:00.000Z"},
    {"99999999999999999999999999", "2343-10-13T00:46:40.000Z"},
    {"Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z"},
    {"Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37.000Z"},
    {"Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000Z"},
    {"Sun Nov 16 08:49:37 1994", "1994-11-16T08:49:37.000Z"},
    {"Mon, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z"},  // the wrong day's name
    {"Fri, 31 Dec 2027 23:59:60 GMT", "2028-01-01T00:00:00.000Z"},
    {"Tue, 29 Feb 2028 00:00:00 GMT", "2028-02-29T00:00:00.000Z"},
    {"Sunday, 22-Nov-26 08:00:00 GMT", "2026-11-22T08:00:00.000Z"},
    {"Sunday, 22-Nov-76 08:00:00 GMT", "2076-11-22T08:00:00.000Z"},
    {"Sunday, 22-Nov-77 08:00:00 GMT", "1977-11-22T08:00:00.000Z"},
    {"Sunday, 22-Nov-00 08:00:00 GMT", "2000-11-22T08:00:00.000Z"},
    {"", "-"},
    {" \t", "-"},
    {"-1", "-"},
    {"+1", "-"},
    {"1.5", "-"},
    {"1 2", "-"},
    {"1, 2", "-"},
    {"0x10", "-"},
    {"soon", "-"},
    {"Sun, 06 Nov 1994 08:49:37", "-"},
    {"Sun, 06 Nov 1994 08:49:37 UTC", "-"},
    {"Sun, 06 Nov 1994 08:49:37 +0000", "-"},
    {"Sun, 06 Nov 1994 08:49:37 GMT+1", "-"},
    {"sun, 06 nov 1994 08:49:37 gmt", "-"},
    {"Sun, 6 Nov 1994 08:49:37 GMT", "-"},
    {"Sun, 31 Nov 1994 08:49:37 GMT", "-"},
    {"Tue, 29 Feb 2027 00:00:00 GMT", "-"},
    {"Sun, 06 Nov 1994 24:00:00 GMT", "-"},
    {"Sun, 06 Nov 1994 08:60:00 GMT", "-"},
    {"Sun, 06 Nov 1994 08:49:61 GMT", "-"},
    {"Sun, 06-Nov-94 08:49:37 GMT", "-"},
    {"Sun Nov 6 08:49:37 1994", "-"},
    {"Sun Nov  6 08:49:37 1994 GMT", "-"},
    {"Someday, 06-Nov-94 08:49:37 GMT", "-"},
    {"2026-11-22T07:10:00Z", "-"},
};

TEST(RetryAfter, IsSecondsOrADateInOneOfThreeForms) {
  const auto now = *schemas::parse_time("2026-11-22T07:00:00Z");
  for (const Row& row : rows) {
    const auto time = parse_retry_after(row.header, now);
    EXPECT_EQ(time ? schemas::to_text(*time) : "-", row.expected) << row.header;
  }
}

}  // namespace
}  // namespace webhooks
