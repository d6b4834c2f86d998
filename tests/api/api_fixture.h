#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include "api/edge/key_text.h"
#include "api/http/problem.h"
#include "api/http/router.h"
#include "api/resources/dispatch.h"
#include "api/resources/metrics.h"
#include "api/resources/pipeline_run.h"
#include "api/resources/routes.h"
#include "api/resources/sealed_fields.h"
#include "api/resources/stream_hub.h"
#include "api/services.h"
#include "schemas/json.h"
#include "schemas/json_writer.h"
#include "tests/support/world.h"

/// The whole API over a platform without sockets, disks and a core thread: a request's bytes go in
/// through the route table, what the handler answers comes out.
namespace api {

class ApiTest : public testing::Test {
 protected:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  ApiTest() {
    auto key = edge::make_key_text(schemas::Space::live);
    platform_key_ = key.reveal();
    auto made = world_.run(manager::platform(),
                           manager::CreateKey{.name = "first",
                                              .permissions = {"*"},
                                              .projects = {},
                                              .expires = {},
                                              .digest = edge::key_digest(platform_key_),
                                              .hint = edge::key_hint(platform_key_),
                                              .platform = true});
    EXPECT_TRUE(made);
  }
  ~ApiTest() override { scans_.join(), records_.join(); }

  /// What came back, with its body read.
  struct Got {
    unsigned status = 0;
    http::Response response;
    std::string body;

    std::string header(std::string_view name) const {
      return std::string(response.header(name).value_or(""));
    }
    /// The member at a JSON pointer, as JSON; a string without its quotes.
    std::string at(std::string_view pointer) const {
      auto document = schemas::json::parse(body);
      if (!document) return "no JSON";
      auto value = schemas::json::resolve(document->root(), pointer);
      if (!value) return "nothing there";
      return std::string(value->as_string().value_or(schemas::json::minify(*value)));
    }
    std::string problem() const {
      if (!response.error) return "no problem";
      return std::string(http::problem_type(response.error->code).name);
    }
    /// Where the first wrong field stands.
    std::string where() const {
      return response.error && !response.error->fields.empty()
                 ? response.error->fields.front().where
                 : "nowhere";
    }
  };

  /// `line` is like "POST /v2/projects". Goes on until it is answered.
  Got ask(std::string_view key, std::string line, std::string body = {}, Headers headers = {}) {
    std::string wire = line + " HTTP/1.1\r\nHost: test\r\n";
    if (!key.empty()) wire += "Authorization: Bearer " + std::string(key) + "\r\n";
    for (const auto& [name, value] : headers) wire += name + ": " + value + "\r\n";
    wire += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    auto request = http::parse_request(wire);
    EXPECT_TRUE(request) << line;
    auto match = router_.match(request->method, request->segments);
    auto* index = std::get_if<http::RouteIndex>(&match);
    EXPECT_NE(index, nullptr) << line;
    request->route = *index;
    request->pattern = router_.pattern(*index);
    request->id = "req_test";
    return run(std::move(*request));
  }
  Got platform(std::string line, std::string body = {}, Headers headers = {}) {
    return ask(platform_key_, std::move(line), std::move(body), std::move(headers));
  }

  /// A new organization, and the text of a key of it.
  std::string organization(std::string_view slug) {
    return platform("POST /v2/organizations",
                    R"({"name":"Acme","slug":")" + std::string(slug) + R"("})")
        .at("/id");
  }
  std::string key_of(const std::string& organization, std::string_view permissions = R"(["*"])",
                     std::string_view more = "") {
    auto made = platform(
        "POST /v2/auth/keys",
        R"({"name":"k","permissions":)" + std::string(permissions) + std::string(more) + "}",
        {{"Tidemark-Organization", organization}});
    EXPECT_EQ(made.status, 201u) << made.body;
    return made.at("/key");
  }

  manager::World world_;
  std::string platform_key_;

 private:
  Got run(http::Request request) {
    std::optional<http::Response> answer;
    asio::co_spawn(context_, handler_(std::move(request)),
                   [&](std::exception_ptr thrown, http::Response response) {
                     EXPECT_FALSE(thrown);
                     answer = std::move(response);
                   });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!answer && std::chrono::steady_clock::now() < deadline) {
      context_.restart();
      context_.run_for(std::chrono::milliseconds(1));
      world_.settle();
    }
    EXPECT_TRUE(answer) << "no answer came";
    Got got;
    got.response = std::move(*answer);
    got.status =
        got.response.error ? http::status_of(got.response.error->code) : got.response.status;
    got.body = got.response.error ? http::problem_json(*got.response.error, "req_test")
                                  : got.response.body;
    return got;
  }

  static schemas::HmacKey hmac_key(std::string_view text) {
    return schemas::HmacKey(schemas::bytes_of(text));
  }

  asio::io_context context_{1};
  asio::thread_pool scans_{1};
  asio::thread_pool records_{1};
  schemas::MarkCodec marks_{1, hmac_key("mark")};
  schemas::CursorCodec cursors_{1, hmac_key("mark")};
  schemas::HmacKey hmac_ = hmac_key("hmac");
  resources::SealedCache sealed_;
  resources::PipelineCache pipelines_;
  webhooks::Egress egress_ = webhooks::Egress::parse().value();
  resources::StreamHub streams_;
  resources::Metrics metrics_{resources::operations()};
  http::Router router_{resources::http_routes(resources::operations())};

 protected:
  eventstore::Sealing sealing_{"there is none here"};
  Services services_{.commands = world_.core().commands(),
                     .rows = world_.rows(),
                     .progress = world_.core().progress(),
                     .log = world_.log(),
                     .topics = world_.core().topics(),
                     .marks = marks_,
                     .cursors = cursors_,
                     .hmac = hmac_,
                     .sealing = sealing_,
                     .clock = world_.clock(),
                     .egress = egress_,
                     .scans = scans_,
                     .records = records_,
                     .sealed = sealed_,
                     .pipelines = pipelines_,
                     .streams = streams_,
                     .metrics = metrics_,
                     .readiness = [] { return Readiness{}; },
                     .processes = [] { return std::vector<eventstore::Heartbeat>(); },
                     .projector = world_.core().projector(),
                     .version = "test"};

 private:
  http::Handler handler_ = resources::make_handler(services_, resources::operations());
};

}  // namespace api
