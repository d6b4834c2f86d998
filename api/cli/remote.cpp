#include "api/cli/remote.h"

#include <fmt/format.h>

#include "api/version.h"
#include "eventstore/file.h"
#include "schemas/json.h"

namespace api::cli {
namespace {

using schemas::json::Value;
using webhooks::HttpAnswer;
using webhooks::HttpConnection;
using webhooks::HttpRequest;

Step<schemas::Secret> key_of(const Settings& settings) {
  if (settings.key) return settings.key->clone();
  if (!settings.key_file) {
    return stop(Exit::usage, "who asks? Give a key by TIDEMARK_KEY, --key-file PATH or --key KEY");
  }
  auto bytes = eventstore::read_whole(eventstore::posix_files(), *settings.key_file);
  if (!bytes) return stop(Exit::usage, bytes.error().detail);
  auto text = schemas::text_of(*bytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  if (text.empty()) return stop(Exit::usage, fmt::format("{} holds no key", *settings.key_file));
  return schemas::Secret(text);
}

std::string_view text_member(Value object, std::string_view name) {
  const auto member = object.find(name);
  const auto text = member ? member->as_string() : std::nullopt;
  return text.value_or("");
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (unreserved.find(c) != unreserved.npos) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

Step<Remote> remote_of(const SettingFlags& flags) {
  auto configuration = flags.load();
  if (!configuration) return std::unexpected(std::move(configuration).error());
  const auto& settings = configuration->settings;
  auto url = webhooks::parse_http_url(settings.url);
  if (!url) return stop(Exit::usage, url.error().detail);
  auto key = key_of(settings);
  if (!key) return std::unexpected(std::move(key).error());
  Remote remote{std::move(*url), {}};
  remote.headers = {{"Authorization", fmt::format("Bearer {}", key->reveal())},
                    {"User-Agent", fmt::format("tidemark/{}", version)}};
  if (settings.organization) {
    remote.headers.emplace_back("Tidemark-Organization", *settings.organization);
  }
  if (settings.space) remote.headers.emplace_back("Tidemark-Space", to_text(*settings.space));
  return remote;
}

std::unexpected<Stop> stop(const webhooks::HttpFailure& failure) {
  return stop(Exit::failed, failure.detail);
}

void Query::add(std::string_view name, std::string_view value) {
  text_ += fmt::format("{}{}={}", text_.empty() ? "?" : "&", name, percent_encoded(value));
}

void Query::add(std::string_view name, const std::vector<std::string>& values) {
  for (const auto& value : values) add(name, value);
}

std::string describe_problem(Value problem) {
  auto text = fmt::format("{}: {}", text_member(problem, "title"), text_member(problem, "detail"));
  if (const auto errors = problem.find("errors")) {
    for (const auto error : errors->elements()) {
      for (const std::string_view place : {"pointer", "parameter", "header"}) {
        if (const auto where = error.find(place)) {
          text += fmt::format("\n  {}: {}", where->as_string().value_or(""),
                              text_member(error, "detail"));
        }
      }
    }
  }
  if (text_member(problem, "type").ends_with("/organization-required")) {
    text += "\n  name it with --organization org_…";
  }
  for (const std::string_view name : {"permission", "current_version", "conflicts", "request_id"}) {
    if (const auto member = problem.find(name)) {
      text += fmt::format("\n  {}: {}", name, schemas::json::minify(*member));
    }
  }
  return text;
}

std::string describe_refusal(const HttpAnswer& answer) {
  const auto document = schemas::json::parse(answer.body);
  if (document && document->root().find("title")) {
    return fmt::format("{} {}", answer.status, describe_problem(document->root()));
  }
  return fmt::format("{} {}", answer.status, answer.body.substr(0, 1000));
}

awaitable<Step<HttpAnswer>> ask_on(HttpConnection& connection, const Remote& remote,
                                   HttpRequest request) {
  request.headers.insert(request.headers.end(), remote.headers.begin(), remote.headers.end());
  auto answer = co_await connection.ask(std::move(request));
  if (!answer) co_return stop(answer.error());
  if (answer->status >= 400) {
    co_return stop(Exit::refused, "the server refused: " + describe_refusal(*answer));
  }
  co_return std::move(*answer);
}

namespace {

awaitable<Step<HttpAnswer>> ask_once(Remote remote, HttpRequest request) {
  auto connection = co_await HttpConnection::open(remote.url);
  if (!connection) co_return stop(connection.error());
  auto answer = co_await ask_on(*connection, remote, std::move(request));
  co_return answer;
}

}  // namespace

Step<HttpAnswer> ask(const Remote& remote, HttpRequest request) {
  return run_to_end(ask_once(remote, std::move(request)));
}

}  // namespace api::cli
