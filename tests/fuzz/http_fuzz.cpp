// Goal: no bytes from a network crash the parser, and how they are cut into pieces changes nothing.
// Method: the input is parsed whole, then in pieces of one size; both must agree.
#include <cstdint>
#include <string_view>

#include "api/http/parser.h"
#include "api/http/request.h"
#include "api/http/router.h"
#include "api/http/target.h"

namespace {

using api::http::Method;
using api::http::Parser;
using api::http::Request;

constexpr std::size_t header_bytes_max = 4096;

struct Outcome {
  bool complete = false;
  std::string target;
  std::size_t headers = 0;
  std::string body;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Empty after an error, or when the input ends before the request.
Outcome parse_in_pieces(std::string_view wire, std::size_t piece) {
  Parser parser(header_bytes_max);
  Request request;
  std::string bytes;  // moves as it grows, so that a view kept too long is found
  for (bool complete = false; !complete;) {
    if (bytes.size() == wire.size()) return {};
    bytes = std::string(wire.substr(0, bytes.size() + piece));
    const auto read = parser.read_head(bytes);
    if (!read) return {};
    complete = *read;
  }
  parser.take_head(bytes, request);
  std::size_t begin = parser.head_size();
  for (std::size_t end = bytes.size(); !parser.complete();) {
    const auto used = parser.read_body(wire.substr(begin, end - begin), request.body);
    if (!used) return {};
    begin += *used;
    if (parser.complete()) break;
    if (end == wire.size() && *used == 0) return {};
    end = std::min(end + piece, wire.size());
  }
  return {true, std::string(request.target), request.headers.size(), request.body};
}

void route(Request request) {
  static const api::http::Router router({{Method::get, "/v2/projects/{id}"},
                                         {Method::post, "/v2/products/{product}/events"},
                                         {Method::get, "/v2/products/{product}/{kind}/{entity}"}});
  const auto match = router.match(request.method, request.segments);
  if (const auto* index = std::get_if<api::http::RouteIndex>(&match)) {
    ENSURE(router.pattern(*index).size() == request.segments.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 64;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = parse_in_pieces(wire, wire.size() + 1);
  const auto pieces = parse_in_pieces(wire, piece);
  ENSURE(whole == pieces);
  if (auto request = api::http::parse_request(wire)) route(*std::move(request));
  return 0;
}
