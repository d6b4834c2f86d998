#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "schemas/planted.h"
#include "webhooks/http_client.h"
#include "webhooks/http_client_impl.h"
#include "webhooks/pool.h"

namespace webhooks {
namespace {

namespace asio = boost::asio;
using asio::ip::address;
using boost::system::error_code;
using Kind = HttpFailure::Kind;
using Addresses = HttpResult<std::vector<address>>;
using std::chrono::duration_cast;
using std::chrono::microseconds;

constexpr std::size_t addresses_tried_max = 4;

std::unexpected<HttpFailure> failed(Kind kind, std::string detail) {
  return std::unexpected(HttpFailure{kind, std::move(detail)});
}

/// A question to a resolver, shared by the resolver and who waits for it: a system's resolver can
/// not be cancelled, so that the one who waits goes first.
struct Lookup {
  Lookup(const asio::any_io_executor& executor, Resolve its_resolve, std::chrono::milliseconds time)
      : resolve(std::move(its_resolve)), told(executor, time) {}
  Resolve resolve;
  asio::steady_timer told;
  std::optional<Addresses> answer;
};

void ask(const asio::any_io_executor& executor, const std::shared_ptr<Lookup>& lookup,
         std::string host) {
  auto tell = [lookup](std::exception_ptr thrown, Addresses answer) {
    if (thrown) answer = failed(Kind::unreachable, "the resolver failed");
    lookup->answer = std::move(answer);
    lookup->told.cancel();
  };
  asio::co_spawn(executor, lookup->resolve(std::move(host)), std::move(tell));
}

awaitable<Addresses> addresses_of(const WebhookUrl& url, const Resolve& resolve,
                                  std::chrono::milliseconds time) {
  if (const auto literal = parse_address(url.host)) co_return std::vector{*literal};
  const auto executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<Lookup>(executor, resolve, time);
  ask(executor, lookup, url.host);
  if (!lookup->answer) std::ignore = co_await lookup->told.async_wait(as_result);
  if (!lookup->answer)
    co_return failed(Kind::unreachable, fmt::format("resolving {}: no answer in time", url.host));
  if (*lookup->answer && (*lookup->answer)->empty())
    co_return failed(Kind::unreachable, fmt::format("{} has no address", url.host));
  co_return std::move(*lookup->answer);
}

schemas::Result<void> check_all(const Egress& egress, const WebhookUrl& url,
                                std::span<const address> addresses) {
  for (const auto& its : addresses) {
    if (auto checked = egress.check_address(url, its); !checked) return checked;
    if (planted(schemas::Fault::guard_checks_first_address_only)) break;
  }
  return {};
}

void send_at_once(asio::ip::tcp::socket& socket) {
  error_code ignored;  // it is only slower without
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
}

}  // namespace

awaitable<HttpResult<HttpConnection>> HttpConnection::open(HttpUrl url, HttpLimits limits) {
  const auto executor = co_await asio::this_coro::executor;
  auto impl = std::make_unique<Impl>(executor, url.authority(), std::move(url.path), limits);
  const auto unreachable = [&](const error_code& code) {
    return failed(Kind::unreachable,
                  fmt::format("cannot reach http://{}: {}", impl->authority, code.message()));
  };
  asio::ip::tcp::resolver resolver(executor);
  const auto service = std::to_string(url.port);
  auto [unresolved, endpoints] = co_await resolver.async_resolve(url.host, service, as_result);
  if (unresolved) co_return unreachable(unresolved);
  impl->stream.expires_after(limits.connect);
  auto [refused, endpoint] = co_await impl->stream.async_connect(endpoints, as_result);
  if (refused) co_return unreachable(refused);
  send_at_once(impl->stream.socket());
  co_return HttpConnection(std::move(impl));
}

awaitable<Addresses> resolve_by_system(std::string host) {
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  auto [code, found] = co_await resolver.async_resolve(host, "", as_result);
  if (code)
    co_return failed(Kind::unreachable, fmt::format("resolving {}: {}", host, code.message()));
  std::vector<address> addresses;
  for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
  co_return addresses;
}

awaitable<Addresses> resolve_on(asio::thread_pool& pool, std::string host) {
  auto resolve = [&host]() -> Addresses {
    asio::io_context own;
    asio::ip::tcp::resolver resolver(own);
    error_code code;
    const auto found = resolver.resolve(host, "", code);
    if (code)
      return failed(Kind::unreachable, fmt::format("resolving {}: {}", host, code.message()));
    std::vector<address> addresses;
    for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
    return addresses;
  };
  co_return co_await answer_on(pool, resolve);
}

schemas::Result<TlsTrust> TlsTrust::load(const std::optional<std::filesystem::path>& more) {
  auto context = std::make_shared<Context>();
  auto& ssl = context->ssl;
  SSL_CTX_set_min_proto_version(ssl.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(ssl.native_handle(), SSL_OP_NO_RENEGOTIATION);
  error_code code;
  ssl.set_verify_mode(asio::ssl::verify_peer, code);
  if (!code) ssl.set_default_verify_paths(code);
  if (!code && more) ssl.load_verify_file(more->string(), code);
  if (code) {
    return schemas::fail(schemas::ErrorCode::invalid_parameter,
                         fmt::format("cannot read the certificates of authorities in {}: {}",
                                     more ? more->string() : "the system", code.message()));
  }
  return TlsTrust(std::move(context));
}

awaitable<HttpResult<HttpConnection>> HttpConnection::open_guarded(WebhookUrl url,
                                                                   const HttpGuard& guard,
                                                                   HttpLimits limits) {
  if (auto checked = guard.egress.check(url); !checked)
    co_return failed(Kind::refused, std::move(checked).error().detail);
  const auto executor = co_await asio::this_coro::executor;
  auto impl = std::make_unique<Impl>(executor, url.authority(), "", limits);

  const auto begin = Impl::Clock::now();
  const auto resolved_by =
      std::chrono::ceil<std::chrono::milliseconds>(impl->end_of(limits.resolve) - begin);
  auto addresses = co_await addresses_of(
      url, guard.resolve ? guard.resolve : Resolve(resolve_by_system), resolved_by);
  if (!addresses) co_return std::unexpected(std::move(addresses).error());
  if (auto checked = check_all(guard.egress, url, *addresses); !checked)
    co_return failed(Kind::refused, std::move(checked).error().detail);
  const auto resolved = Impl::Clock::now();
  impl->timing.resolve = duration_cast<microseconds>(resolved - begin);

  const auto end = impl->end_of(limits.connect);
  auto connected = co_await impl->connect(*addresses, url.port, end);
  if (!connected) co_return std::unexpected(std::move(connected).error());
  const auto reached = Impl::Clock::now();
  impl->timing.connect = duration_cast<microseconds>(reached - resolved);

  if (!url.tls) co_return HttpConnection(std::move(impl));
  auto trusted = co_await impl->shake_hands(url.host, guard.trust, end);
  if (!trusted) co_return std::unexpected(std::move(trusted).error());
  impl->timing.tls = duration_cast<microseconds>(Impl::Clock::now() - reached);
  co_return HttpConnection(std::move(impl));
}

awaitable<HttpResult<void>> HttpConnection::Impl::connect(std::span<const address> addresses,
                                                          std::uint16_t port,
                                                          Clock::time_point end) {
  addresses = addresses.first(std::min(addresses.size(), addresses_tried_max));
  error_code code;
  for (; !addresses.empty(); addresses = addresses.subspan(1)) {
    const auto left = end - Clock::now();
    stream.expires_after(std::max(left / static_cast<int>(addresses.size()), Clock::duration(1)));
    const asio::ip::tcp::endpoint endpoint(addresses.front(), port);
    std::tie(code) = co_await stream.async_connect(endpoint, as_result);
    if (!code) {
      send_at_once(stream.socket());
      co_return HttpResult<void>();
    }
    stream.close();
  }
  co_return failed(Kind::unreachable,
                   fmt::format("cannot reach {}: {}", authority, code.message()));
}

awaitable<HttpResult<void>> HttpConnection::Impl::shake_hands(const std::string& host,
                                                              const TlsTrust& its_trust,
                                                              Clock::time_point end) {
  trust = its_trust.context_;
  tls = std::make_unique<Tls>(stream, trust->ssl);
  auto* ssl = tls->native_handle();
  auto* expected = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  // Without a name to expect OpenSSL would take any certificate that an authority signed.
  const bool named = parse_address(host)
                         ? X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1
                         : X509_VERIFY_PARAM_set1_host(expected, host.data(), host.size()) == 1 &&
                               SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!named) co_return failed(Kind::tls, fmt::format("{} cannot be asked for by TLS", host));
  stream.expires_at(end);
  auto [code] = co_await tls->async_handshake(asio::ssl::stream_base::client, as_result);
  if (!code) co_return HttpResult<void>();
  if (code == boost::beast::error::timeout)
    co_return failed(Kind::unreachable, fmt::format("TLS with {}: no answer in time", authority));
  const auto verified = SSL_get_verify_result(ssl);
  const auto why = verified == X509_V_OK ? code.message() : X509_verify_cert_error_string(verified);
  co_return failed(Kind::tls, fmt::format("TLS with {}: {}", authority, why));
}

}  // namespace webhooks
