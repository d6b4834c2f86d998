// Goal: numbers arrive under the names that operators' alarms are written against.
// Method: things happen, the text is read.
#include "api/resources/metrics.h"

#include <gmock/gmock.h>

#include "api/resources/routes.h"

namespace api::resources {
namespace {

using testing::HasSubstr;

http::RouteIndex index_of(std::string_view name) {
  auto found = std::ranges::find(operations(), name, &Operation::name);
  return static_cast<http::RouteIndex>(found - operations().begin());
}

TEST(Metrics, RequestsAreCountedByRouteAndClassOfStatus) {
  Metrics metrics(operations());
  for (auto status : {200u, 200u, 404u}) {
    metrics.answered({index_of("get_project"), status, std::chrono::microseconds(700), ""});
  }
  metrics.answered({std::nullopt, 404, std::chrono::microseconds(1), ""});
  const auto text = metrics.text();
  constexpr std::string_view route =
      R"(tidemark_http_requests_total{method="GET",route="/v2/projects/{project_id}",status=)";
  EXPECT_THAT(text, HasSubstr(std::string(route) + R"("2xx"} 2)"));
  EXPECT_THAT(text, HasSubstr(std::string(route) + R"("4xx"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(route="none",status="4xx"} 1)"));
}

TEST(Metrics, CommitsShowTheirSizeAndLatency) {
  Metrics metrics(operations());
  metrics.committed(12, std::chrono::milliseconds(3));
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("tidemark_commit_batch_records_sum 12"));
  EXPECT_THAT(text, HasSubstr("tidemark_commit_duration_seconds_count 1"));
}

TEST(Metrics, GaugesAreAskedWhenAScrapeComes) {
  Metrics metrics(operations());
  double value = 1;
  metrics.gauge("one", "help", [&] { return value; });
  metrics.gauges("many", "help", "product",
                 [&] { return std::vector<Metrics::Labeled>{{"git", value}, {"hg", 5}}; });
  value = 7;
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("one 7"));
  EXPECT_THAT(text, HasSubstr(R"(many{product="git"} 7)"));
  EXPECT_THAT(text, HasSubstr(R"(many{product="hg"} 5)"));
}

}  // namespace
}  // namespace api::resources
