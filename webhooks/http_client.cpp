#include "webhooks/http_client.h"

#include <algorithm>
#include <charconv>

#include <boost/asio/ssl/error.hpp>
#include <fmt/format.h>

#include "webhooks/http_client_impl.h"

namespace webhooks {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

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
                     code == asio::error::eof || code == asio::ssl::error::stream_truncated;
  if (ended) return {Kind::broken, fmt::format("{}: the server closed the connection", what)};
  if (code.category() == asio::error::get_ssl_category())
    return {Kind::tls, fmt::format("{}: {}", what, code.message())};
  const bool ours = code.category() == make_error_code(http::error::end_of_stream).category();
  return {ours ? Kind::malformed : Kind::broken, fmt::format("{}: {}", what, code.message())};
}

std::unexpected<HttpFailure> failed(const error_code& code, std::string_view what) {
  return std::unexpected(failure(code, what));
}
std::unexpected<HttpFailure> late(std::string_view what) {
  return failed(beast::error::timeout, what);
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

HttpConnection::HttpConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpConnection::~HttpConnection() = default;
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;

const HttpTiming& HttpConnection::timing() const {
  return impl_->timing;
}

namespace {

template <typename Body>
http::request<Body> head_of(const HttpRequest& request, std::string_view authority,
                            std::string_view path) {
  http::request<Body> head;
  head.version(11);
  head.method_string(beast_view(request.method));
  head.target(beast_view(fmt::format("{}{}", path, request.target)));
  head.set(http::field::host, beast_view(authority));
  for (const auto& [name, value] : request.headers) head.set(beast_view(name), beast_view(value));
  return head;
}

}  // namespace

awaitable<HttpResult<void>> HttpConnection::send(HttpRequest request) {
  auto message = head_of<http::string_body>(request, impl_->authority, impl_->path);
  message.body() = std::move(request.body);
  message.prepare_payload();
  impl_->begin_exchange();
  if (!impl_->give_time(impl_->limits.write)) co_return late("sending a request");
  auto [code, bytes] = co_await impl_->over(
      [&](auto& stream) { return http::async_write(stream, message, as_result); });
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

awaitable<HttpResult<HttpAnswerHead>> HttpConnection::ask_head(HttpRequest request,
                                                               std::size_t body_bytes_max) {
  auto sent = co_await send(std::move(request));
  if (!sent) co_return std::unexpected(std::move(sent).error());
  auto answer = co_await read_head();
  if (!answer) co_return std::unexpected(std::move(answer).error());
  HttpAnswerHead head{.answer = std::move(*answer), .cut = false, .reusable = false};
  auto& body = head.answer.body;
  std::array<char, 4 * 1024> piece;
  while (body.size() <= body_bytes_max) {  // one byte more than asked for tells that there is more
    const auto room = std::min(piece.size(), body_bytes_max + 1 - body.size());
    auto got = co_await read_some(std::span(piece).first(room));
    if (!got) co_return std::unexpected(std::move(got).error());
    if (*got == 0) break;
    body.append(piece.data(), *got);
  }
  head.cut = body.size() > body_bytes_max;
  if (head.cut) body.resize(body_bytes_max);
  const auto& parser = *impl_->parser;
  // Bytes that nobody asked for would be taken for the next request's answer.
  const bool at_end = parser.is_done() && impl_->received.size() == 0;
  head.reusable = at_end && !head.cut && parser.keep_alive() && head.answer.status != 101;
  co_return head;
}

awaitable<HttpResult<void>> HttpConnection::begin(HttpRequest request) {
  auto message = head_of<http::empty_body>(request, impl_->authority, impl_->path);
  message.chunked(true);
  http::request_serializer<http::empty_body> serializer(message);
  impl_->begin_exchange();
  if (!impl_->give_time(impl_->limits.write)) co_return late("sending a request");
  auto [code, bytes] = co_await impl_->over(
      [&](auto& stream) { return http::async_write_header(stream, serializer, as_result); });
  if (code) co_return failed(code, "sending a request");
  co_return HttpResult<void>();
}

awaitable<HttpResult<void>> HttpConnection::write(std::string_view piece) {
  if (!impl_->give_time(impl_->limits.write)) co_return late("sending a request's body");
  const auto chunk = http::make_chunk(asio::const_buffer(piece.data(), piece.size()));
  auto [code, bytes] = co_await impl_->over(
      [&](auto& stream) { return asio::async_write(stream, chunk, as_result); });
  if (code) co_return failed(code, "sending a request's body");
  co_return HttpResult<void>();
}

awaitable<HttpResult<void>> HttpConnection::end() {
  if (!impl_->give_time(impl_->limits.write)) co_return late("sending a request's body");
  auto [code, bytes] = co_await impl_->over(
      [](auto& stream) { return asio::async_write(stream, http::make_chunk_last(), as_result); });
  if (code) co_return failed(code, "sending a request's body");
  co_return HttpResult<void>();
}

awaitable<HttpResult<HttpAnswer>> HttpConnection::read_head() {
  constexpr int interim_max = 16;
  for (int interim = 0; interim < interim_max; ++interim) {
    auto& parser = impl_->parser.emplace();
    parser.body_limit(boost::none);
    if (!impl_->give_time(impl_->limits.read)) co_return late("reading an answer");
    auto [code, bytes] = co_await impl_->over([&](auto& stream) {
      return http::async_read_header(stream, impl_->received, parser, as_result);
    });
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
    if (!impl_->give_time(impl_->limits.read)) co_return late("reading an answer");
    auto [code, bytes] = co_await impl_->over([&](auto& stream) {
      return http::async_read_some(stream, impl_->received, parser, as_result);
    });
    // Many receivers end TLS without saying so; where the end of the stream ends the body, that
    // can only be believed.
    if (code == asio::ssl::error::stream_truncated && parser.get().need_eof()) parser.put_eof(code);
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
