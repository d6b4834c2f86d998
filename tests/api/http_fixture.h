#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "api/http/server.h"
#include "tests/api/http_client.h"

/// A real server on loopback, for the tests of api/http.
namespace api::http {

/// Routes by name, each with its function, so that a test says what the server does.
class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    options_.listen.port = 0;
    options_.threads = 2;
  }
  ~ServerTest() override;

  void route(Route route, Handler handler);
  /// `/empty` answers 204, `/echo` what it was sent.
  void start();
  Client connect() const { return Client(server().port()); }
  Server& server() const { return *server_; }

  Options options_;  // with short deadlines when a test says so

 private:
  std::vector<Route> routes_;
  std::vector<Handler> handlers_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Server> server_;
};

/// Waits until `condition` holds, up to half a minute: a busy machine is no failure.
bool eventually(const std::function<bool()>& condition);

inline ServerTest::~ServerTest() {
  if (server_) server_->stop();
}

inline void ServerTest::route(Route route, Handler handler) {
  routes_.push_back(route);
  handlers_.push_back(std::move(handler));
}

inline void ServerTest::start() {
  const auto empty = [](Request) -> awaitable<Response> { co_return empty_response(); };
  const auto echo = [](Request request) -> awaitable<Response> {
    co_return json_response(200, std::move(request.body));
  };
  route({Method::get, "/empty"}, empty);
  route({Method::get, "/echo"}, echo);
  route({Method::post, "/echo"}, echo);
  router_ = std::make_unique<Router>(routes_);
  server_ = std::make_unique<Server>(options_, *router_, [this](Request request) {
    const auto match = router_->match(request.method, request.segments);
    const auto index = static_cast<std::size_t>(std::get<RouteIndex>(match));
    return handlers_[index](std::move(request));
  });
  server_->start();
}

inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace api::http
