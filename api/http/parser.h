#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/beast/http/basic_parser.hpp>

#include "api/http/request.h"
#include "schemas/result.h"

namespace api::http {

/// Reads one HTTP/1.x request from bytes as they come: first its head, then its body. Beast finds
/// the elements; this class refuses what Beast lets pass although two readers could understand it
/// differently (RFC 9112 11.2): a Transfer-Encoding other than `chunked`, or in HTTP/1.0, folded
/// lines, a missing or second Host. For one request on one thread; no limits but that of the head.
class Parser : private boost::beast::http::basic_parser<true> {
 public:
  explicit Parser(std::size_t header_bytes_max);

  /// `bytes` is everything since the first byte of the head; longer with every call. True when the
  /// head is complete: it is the first `head_size()` bytes, the rest belongs to what follows.
  schemas::Result<bool> read_head(std::string_view bytes);
  std::size_t head_size() const { return head_size_; }
  /// Moves the head into `request`: method, target, headers. `bytes` as in the last read_head.
  void take_head(std::string_view bytes, Request& request) const;

  /// How many of `bytes` it used; what they say is appended to `body`. 0: more bytes are needed to
  /// go on. Stops behind the end of the body.
  schemas::Result<std::size_t> read_body(std::string_view bytes, std::string& body);

  bool complete() const { return is_done(); }
  bool wants_keep_alive() const { return keep_alive(); }
  bool http_1_0() const { return version_ == 10; }
  bool expects_continue() const { return expects_continue_; }
  bool is_chunked() const { return chunked(); }
  std::optional<std::uint64_t> body_bytes() const;

 private:
  using Verb = boost::beast::http::verb;
  using Name = boost::beast::http::field;
  using Text = boost::beast::string_view;
  using Code = boost::beast::error_code;

  // A place in the head. Offsets, for the bytes move while the head grows.
  struct Span {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  struct Line {
    Span name;
    Span value;
  };

  Span place(Text text) const;
  std::optional<schemas::Error> ambiguity() const;

  void on_request_impl(Verb verb, Text, Text target, int version, Code&) override;
  void on_response_impl(int, Text, int, Code&) override {}
  void on_field_impl(Name name, Text name_text, Text value, Code&) override;
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text text, Code&) override;
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text text, Code&) override;
  void on_finish_impl(Code&) override {}

  std::size_t header_bytes_max_;
  std::string_view bytes_;       // what is being parsed, during read_head only
  std::string* body_ = nullptr;  // during read_body only
  std::size_t head_size_ = 0;    // how much of the head was used up to now
  Method method_ = Method::other;
  int version_ = 11;
  Span target_;
  std::vector<Line> lines_;
  std::uint32_t hosts_ = 0;
  bool folded_ = false;
  bool expects_continue_ = false;
  bool encoding_strange_ = false;  // a Transfer-Encoding that is not just `chunked`
  bool encoding_given_ = false;
};

}  // namespace api::http
