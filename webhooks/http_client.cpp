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

void HttpConnection::wait_until(std::chrono::steady_clock::time_point end) {
  impl_->limits.until = end;
}

namespace {

std::string head_of(const HttpRequest& request, const std::string& authority,
                    std::string_view path) {
  auto head = fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\n", request.method, path, request.target,
                          authority);
  for (const auto& [name, value] : request.headers)
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  return head;
}

}  // namespace

awaitable<HttpResult<void>> HttpConnection::Impl::write(std::string bytes, std::string_view what) {
  if (!give_time(limits.write)) co_return late(what);
  const auto all = asio::buffer(bytes);
  auto [code, written] = tls ? co_await asio::async_write(*tls, all, as_result)
                             : co_await asio::async_write(stream, all, as_result);
  if (code) co_return failed(code, what);
  co_return HttpResult<void>();
}

awaitable<error_code> HttpConnection::Impl::feed() {
  // The parser's own limit of a head is of what it has not consumed, field by field.
  constexpr std::size_t head_bytes_max = std::size_t{64} << 10;
  const bool in_head = !parser->is_header_done();
  if (in_head && received_bytes > head_bytes_max) co_return http::error::header_limit;
  if (received_bytes > received_bytes_max) co_return http::error::body_limit;
  const std::size_t room_bytes = (in_head ? 4 : 16) * 1024;
  error_code code;
  if (received.size() != 0) {
    received.consume(parser->put(received.data(), code));
    if (code != http::error::need_more) co_return code;
    if (received.size() > head_bytes_max)
      co_return http::error::header_limit;  // a token without end
  }
  const auto room = received.prepare(room_bytes);
  auto [stopped, got] = tls ? co_await tls->async_read_some(room, as_result)
                            : co_await stream.async_read_some(room, as_result);
  received.commit(got);
  received_bytes += got;
  if (!stopped) co_return error_code();
  // Many receivers end TLS without saying so; where the end of the stream ends the body, that can
  // only be believed.
  const bool cut = stopped == asio::ssl::error::stream_truncated;
  const bool ends_body = parser->is_header_done() && parser->get().need_eof();
  if (stopped != asio::error::eof && !(cut && ends_body)) co_return stopped;
  if (!parser->got_some()) co_return http::error::end_of_stream;
  parser->put_eof(code);
  co_return code;
}

awaitable<HttpResult<void>> HttpConnection::send(HttpRequest request) {
  auto bytes = head_of(request, impl_->authority, impl_->path);
  const bool has_body =
      !request.body.empty() || (request.method != "GET" && request.method != "HEAD");
  if (has_body)
    fmt::format_to(std::back_inserter(bytes), "Content-Length: {}\r\n", request.body.size());
  bytes += "\r\n";
  bytes += request.body;
  impl_->begin_exchange();
  auto sent = co_await impl_->write(std::move(bytes), "sending a request");
  if (!sent && sent.error().kind == HttpFailure::Kind::broken)
    sent.error().kind = HttpFailure::Kind::closed;
  co_return sent;
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
  // A chunk of one byte takes six; the rest is for the head, chunk extensions and trailers.
  impl_->received_bytes_max = 8 * body_bytes_max + (std::uint64_t{128} << 10);
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
  impl_->begin_exchange();
  co_return co_await impl_->write(
      head_of(request, impl_->authority, impl_->path) + "Transfer-Encoding: chunked\r\n\r\n",
      "sending a request");
}

awaitable<HttpResult<void>> HttpConnection::write(std::string_view piece) {
  return impl_->write(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece),
                      "sending a request's body");
}

awaitable<HttpResult<void>> HttpConnection::end() {
  return impl_->write("0\r\n\r\n", "sending a request's body");
}

awaitable<HttpResult<HttpAnswer>> HttpConnection::read_head() {
  constexpr int interim_max = 16;
  for (int interim = 0; interim < interim_max; ++interim) {
    auto& parser = impl_->parser.emplace();
    parser.body_limit(boost::none);
    error_code code;
    while (!code && !parser.is_header_done()) {
      if (!impl_->give_time(impl_->limits.read)) co_return late("reading an answer");
      code = co_await impl_->feed();
    }
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
    const auto code = co_await impl_->feed();
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
