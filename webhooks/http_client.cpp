#include "webhooks/http_client.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

namespace webhooks {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

beast::string_view beast_view(std::string_view text) {
  return {text.data(), text.size()};
}

HttpFailure failure(const error_code& code, std::string_view what) {
  using Kind = HttpFailure::Kind;
  if (code == beast::error::timeout)
    return {Kind::timeout, fmt::format("{}: no answer in time", what)};
  if (code == http::error::body_limit || code == http::error::header_limit) {
    return {Kind::malformed, fmt::format("{}: the answer is too large", what)};
  }
  const bool ended = code == http::error::end_of_stream || code == http::error::partial_message ||
                     code == asio::error::eof;
  if (ended) return {Kind::broken, fmt::format("{}: the server closed the connection", what)};
  const bool ours = code.category() == make_error_code(http::error::end_of_stream).category();
  return {ours ? Kind::malformed : Kind::broken, fmt::format("{}: {}", what, code.message())};
}

std::unexpected<HttpFailure> failed(const error_code& code, std::string_view what) {
  return std::unexpected(failure(code, what));
}

}  // namespace

std::string HttpUrl::authority() const {
  const bool v6 = host.contains(':');
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

schemas::Result<HttpUrl> parse_http_url(std::string_view text) {
  auto wrong = [&](std::string_view why) {
    return schemas::fail(schemas::ErrorCode::invalid_parameter,
                         fmt::format("{} is no URL that can be reached: {}", text, why));
  };
  constexpr std::string_view scheme = "http://";
  if (!text.starts_with(scheme)) return wrong("it must begin with http://");
  auto rest = text.substr(scheme.size());
  HttpUrl url;
  if (auto slash = rest.find('/'); slash != rest.npos) {
    url.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  while (url.path.ends_with('/')) url.path.pop_back();
  if (url.path.find_first_of("?# ") != url.path.npos) return wrong("it has a query");
  const auto port_at = rest.ends_with(']') ? rest.npos : rest.rfind(':');
  if (port_at != rest.npos) {
    const auto digits = rest.substr(port_at + 1);
    const auto [end, code] = std::from_chars(digits.begin(), digits.end(), url.port);
    if (code != std::errc() || end != digits.end() || url.port == 0)
      return wrong("its port is no number");
    rest = rest.substr(0, port_at);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  if (rest.empty() || rest.find_first_of(" @?#") != rest.npos) return wrong("it names no host");
  url.host = rest;
  return url;
}

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const auto& [its_name, value] : headers) {
    if (beast::iequals(beast_view(its_name), beast_view(name))) return value;
  }
  return {};
}

struct HttpConnection::Impl {
  Impl(asio::any_io_executor executor, HttpUrl its_url, HttpLimits its_limits)
      : url(std::move(its_url)), limits(its_limits), stream(std::move(executor)) {}

  HttpUrl url;
  HttpLimits limits;
  beast::tcp_stream stream;
  beast::flat_buffer received;
  std::optional<http::response_parser<http::buffer_body>> parser;
};

HttpConnection::HttpConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpConnection::~HttpConnection() = default;
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;

awaitable<HttpResult<HttpConnection>> HttpConnection::open(HttpUrl url, HttpLimits limits) {
  const auto executor = co_await asio::this_coro::executor;
  auto impl = std::make_unique<Impl>(executor, std::move(url), limits);
  const auto unreachable = [&](const error_code& code) {
    return std::unexpected(HttpFailure{
        HttpFailure::Kind::unreachable,
        fmt::format("cannot reach http://{}: {}", impl->url.authority(), code.message())});
  };
  asio::ip::tcp::resolver resolver(executor);
  const auto service = std::to_string(impl->url.port);
  auto [unresolved, endpoints] =
      co_await resolver.async_resolve(impl->url.host, service, as_result);
  if (unresolved) co_return unreachable(unresolved);
  impl->stream.expires_after(limits.connect);
  auto [refused, endpoint] = co_await impl->stream.async_connect(endpoints, as_result);
  if (refused) co_return unreachable(refused);
  error_code ignored;  // it is only slower without
  impl->stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  co_return HttpConnection(std::move(impl));
}

namespace {

template <typename Body>
http::request<Body> head_of(const HttpRequest& request, const HttpUrl& url) {
  http::request<Body> head;
  head.version(11);
  head.method_string(beast_view(request.method));
  head.target(beast_view(url.path + request.target));
  head.set(http::field::host, beast_view(url.authority()));
  for (const auto& [name, value] : request.headers) head.set(beast_view(name), beast_view(value));
  return head;
}

}  // namespace

awaitable<HttpResult<void>> HttpConnection::send(HttpRequest request) {
  auto message = head_of<http::string_body>(request, impl_->url);
  message.body() = std::move(request.body);
  message.prepare_payload();
  impl_->stream.expires_after(impl_->limits.write);
  auto [code, bytes] = co_await http::async_write(impl_->stream, message, as_result);
  if (!code) co_return HttpResult<void>();
  auto what = failure(code, "sending a request");
  if (what.kind == HttpFailure::Kind::broken) what.kind = HttpFailure::Kind::closed;
  co_return std::unexpected(std::move(what));
}

awaitable<HttpResult<HttpAnswer>> HttpConnection::ask(HttpRequest request) {
  auto sent = co_await send(std::move(request));
  if (!sent) co_return std::unexpected(std::move(sent).error());
  auto answer = co_await read_head();
  if (!answer) co_return answer;
  auto body = co_await read_rest();
  if (!body) co_return std::unexpected(std::move(body).error());
  answer->body = std::move(*body);
  co_return answer;
}

awaitable<HttpResult<void>> HttpConnection::begin(HttpRequest request) {
  auto message = head_of<http::empty_body>(request, impl_->url);
  message.chunked(true);
  http::request_serializer<http::empty_body> serializer(message);
  impl_->stream.expires_after(impl_->limits.write);
  auto [code, bytes] = co_await http::async_write_header(impl_->stream, serializer, as_result);
  if (code) co_return failed(code, "sending a request");
  co_return HttpResult<void>();
}

awaitable<HttpResult<void>> HttpConnection::write(std::string_view piece) {
  impl_->stream.expires_after(impl_->limits.write);
  auto [code, bytes] = co_await asio::async_write(
      impl_->stream, http::make_chunk(asio::const_buffer(piece.data(), piece.size())), as_result);
  if (code) co_return failed(code, "sending a request's body");
  co_return HttpResult<void>();
}

awaitable<HttpResult<void>> HttpConnection::end() {
  impl_->stream.expires_after(impl_->limits.write);
  auto [code, bytes] =
      co_await asio::async_write(impl_->stream, http::make_chunk_last(), as_result);
  if (code) co_return failed(code, "sending a request's body");
  co_return HttpResult<void>();
}

awaitable<HttpResult<HttpAnswer>> HttpConnection::read_head() {
  constexpr int interim_max = 16;
  for (int interim = 0; interim < interim_max; ++interim) {
    auto& parser = impl_->parser.emplace();
    parser.body_limit(boost::none);
    impl_->stream.expires_after(impl_->limits.read);
    auto [code, bytes] =
        co_await http::async_read_header(impl_->stream, impl_->received, parser, as_result);
    if (code) {
      auto what = failure(code, "reading an answer");
      const bool nothing_came = !parser.got_some() && what.kind == HttpFailure::Kind::broken;
      if (nothing_came) what.kind = HttpFailure::Kind::closed;
      co_return std::unexpected(std::move(what));
    }
    HttpAnswer answer;
    answer.status = parser.get().result_int();
    if (answer.status / 100 == 1 && answer.status != 101) continue;
    for (const auto& field : parser.get()) {
      answer.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    co_return answer;
  }
  co_return std::unexpected(
      HttpFailure{HttpFailure::Kind::malformed, "reading an answer: nothing but interim ones"});
}

awaitable<HttpResult<std::size_t>> HttpConnection::read_some(std::span<char> out) {
  auto& parser = *impl_->parser;
  auto& body = parser.get().body();
  body.data = out.data();
  body.size = out.size();
  while (!parser.is_done() && body.size == out.size()) {
    impl_->stream.expires_after(impl_->limits.read);
    auto [code, bytes] =
        co_await http::async_read_some(impl_->stream, impl_->received, parser, as_result);
    if (code && code != http::error::need_buffer) co_return failed(code, "reading an answer");
  }
  co_return out.size() - body.size;
}

awaitable<HttpResult<std::string>> HttpConnection::read_rest() {
  std::string body;
  std::array<char, 16 * 1024> piece;
  for (;;) {
    auto got = co_await read_some(piece);
    if (!got) co_return std::unexpected(std::move(got).error());
    if (*got == 0) co_return body;
    body.append(piece.data(), *got);
    if (body.size() > impl_->limits.body_bytes_max)
      co_return failed(http::error::body_limit, "reading an answer");
  }
}

void HttpConnection::cancel() {
  impl_->stream.cancel();
}

}  // namespace webhooks
