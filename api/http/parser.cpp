#include "api/http/parser.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "api/http/target.h"

namespace api::http {
namespace {

namespace beast = boost::beast;
using schemas::ErrorCode;

// A chunk's head line or the trailers must fit into it, so that a body cannot be all framing.
constexpr std::size_t last_chunk_bytes_min = 5;  // 0 CRLF CRLF
constexpr std::size_t chunk_framing_bytes_max = 16 * 1024;

Method to_method(beast::http::verb verb) {
  using beast::http::verb;
  if (verb == verb::get) return Method::get;
  if (verb == verb::head) return Method::head;
  if (verb == verb::post) return Method::post;
  if (verb == verb::put) return Method::put;
  if (verb == verb::patch) return Method::patch;
  if (verb == verb::delete_) return Method::delete_;
  return Method::other;
}

std::unexpected<schemas::Error> too_long(std::size_t bytes_max) {
  return schemas::fail(
      ErrorCode::headers_too_large,
      fmt::format("request line and headers may have {} bytes together", bytes_max));
}

/// Beast unfolds a value into a buffer of its own, unless its first line is empty.
bool is_folded(std::string_view bytes, beast::string_view name, beast::string_view value) {
  if (value.data() < name.end() || value.data() > bytes.data() + bytes.size()) return true;
  return std::find(name.end(), value.data(), '\n') != value.data();
}

}  // namespace

Parser::Parser(std::size_t header_bytes_max) : header_bytes_max_(header_bytes_max) {
  body_limit(boost::none);                                      // the session counts
  header_limit(std::numeric_limits<std::uint32_t>::max() / 2);  // read_head counts
}

schemas::Result<bool> Parser::read_head(std::string_view bytes) {
  bytes_ = bytes;
  Code ec;
  head_size_ += put(boost::asio::buffer(bytes.substr(head_size_)), ec);
  bytes_ = {};
  if (ec && ec != beast::http::error::need_more) {
    return schemas::fail(ErrorCode::invalid_parameter,
                         fmt::format("the request is not valid HTTP: {}", ec.message()));
  }
  if (head_size_ > header_bytes_max_) return too_long(header_bytes_max_);
  if (!is_header_done()) {
    if (bytes.size() >= header_bytes_max_) return too_long(header_bytes_max_);
    return false;
  }
  if (auto error = ambiguity()) return schemas::fail(*std::move(error));
  eager(true);
  return true;
}

void Parser::take_head(std::string_view bytes, Request& request) const {
  request.head = std::make_unique_for_overwrite<char[]>(head_size_);
  std::memcpy(request.head.get(), bytes.data(), head_size_);
  const auto view = [&](Span span) {
    return std::string_view(request.head.get() + span.offset, span.size);
  };
  request.method = method_;
  request.target = view(target_);
  request.headers.reserve(lines_.size());
  for (const auto& line : lines_) request.headers.push_back({view(line.name), view(line.value)});
}

schemas::Result<std::size_t> Parser::read_body(std::string_view bytes, std::string& body) {
  // What may be the beginning of the last chunk waits until it can be whole: Beast 1.81 asserts
  // that it does not come in smaller pieces.
  if (is_chunked() && bytes.size() < last_chunk_bytes_min &&
      bytes.find_first_not_of("0\r\n") == std::string_view::npos) {
    return 0;
  }
  body_ = &body;
  Code ec;
  const auto used = put(boost::asio::buffer(bytes), ec);
  body_ = nullptr;
  const bool starved = ec == beast::http::error::need_more;
  if (ec && !starved) {
    return schemas::fail(ErrorCode::invalid_parameter,
                         fmt::format("the body is not framed as HTTP: {}", ec.message()));
  }
  if (starved && bytes.size() - used > chunk_framing_bytes_max) {
    return schemas::fail(ErrorCode::invalid_parameter,
                         "a chunk's head or the trailers are too long");
  }
  return used;
}

std::optional<std::uint64_t> Parser::body_bytes() const {
  const auto length = content_length();
  return length ? std::optional(*length) : std::nullopt;
}

Parser::Span Parser::place(Text text) const {
  if (text.empty()) return {};
  const auto offset = text.data() - bytes_.data();
  return {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(text.size())};
}

std::optional<schemas::Error> Parser::ambiguity() const {
  const auto error = [](std::string detail) {
    return schemas::Error{ErrorCode::invalid_parameter, std::move(detail), {}, {}};
  };
  if (folded_) return error("a header may not be folded over several lines");
  if (encoding_strange_) return error("the only Transfer-Encoding understood is chunked");
  if (encoding_given_ && http_1_0()) return error("HTTP/1.0 has no Transfer-Encoding");
  if (hosts_ > 1) return error("there must be one Host header");
  if (hosts_ == 0 && !http_1_0()) return error("the Host header is missing");
  return std::nullopt;
}

void Parser::on_request_impl(Verb verb, Text, Text target, int version, Code&) {
  method_ = to_method(verb);
  target_ = place(target);
  version_ = version;
}

void Parser::on_field_impl(Name name, Text name_text, Text value, Code&) {
  if (bytes_.empty()) return;  // a trailer: nobody asks for them
  if (is_folded(bytes_, name_text, value)) {
    folded_ = true;
    return;
  }
  lines_.push_back({place(name_text), place(value)});
  if (name == Name::host) ++hosts_;
  if (name == Name::expect && beast::iequals(value, "100-continue")) expects_continue_ = true;
  if (name == Name::transfer_encoding) {
    encoding_strange_ = encoding_strange_ || encoding_given_ || !beast::iequals(value, "chunked");
    encoding_given_ = true;
  }
}

std::size_t Parser::on_body_impl(Text text, Code&) {
  body_->append(text.data(), text.size());
  return text.size();
}

std::size_t Parser::on_chunk_body_impl(std::uint64_t, Text text, Code&) {
  body_->append(text.data(), text.size());
  return text.size();
}

schemas::Result<Request> parse_request(std::string_view wire) {
  Parser parser(wire.size() + 1);
  const auto head = parser.read_head(wire);
  if (!head) return std::unexpected(head.error());
  if (!*head) return schemas::fail(ErrorCode::invalid_parameter, "the head is not complete");
  Request request;
  parser.take_head(wire, request);
  if (auto error = decode_target(request)) return schemas::fail(*std::move(error));
  for (auto rest = wire.substr(parser.head_size()); !parser.complete();) {
    const auto used = parser.read_body(rest, request.body);
    if (!used) return std::unexpected(used.error());
    if (*used == 0) return schemas::fail(ErrorCode::invalid_parameter, "the body is not complete");
    rest.remove_prefix(*used);
  }
  return request;
}

}  // namespace api::http
