// Goal: a request's bytes become the right Request, and what two readers could understand
// differently (RFC 9112 11.2) is refused. Method: whole requests as text through parse_request;
// the parser itself is fed byte by byte, so that every boundary is met.
#include <gtest/gtest.h>

#include "api/http/parser.h"
#include "api/http/request.h"

namespace api::http {
namespace {

using schemas::ErrorCode;

Request parsed(std::string_view wire) {
  auto request = parse_request(wire);
  if (!request) ADD_FAILURE() << request.error().detail;
  return request ? *std::move(request) : Request{};
}

Request get(std::string_view target) {
  return parsed("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

bool refused(std::string_view wire) {
  const auto request = parse_request(wire);
  return !request && request.error().code == ErrorCode::invalid_parameter;
}

bool refused_target(std::string_view target) {
  return refused("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

bool refused_headers(std::string_view headers) {
  return refused("POST / HTTP/1.1\r\nHost: x\r\n" + std::string(headers) +
                 "\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
}

TEST(HttpTarget, SplitsBeforeItDecodes) {
  const auto request = get("/v2/products/git/file/db%2Fbuilder.cc/events");
  EXPECT_EQ(request.segments,
            (std::vector<std::string>{"v2", "products", "git", "file", "db/builder.cc", "events"}));
}

TEST(HttpTarget, PlusIsAPlusInPathsAndASpaceInQueries) {
  const auto request = get("/a+b?c+d=e+f%2B");
  EXPECT_EQ(request.segments.at(0), "a+b");
  EXPECT_EQ(request.query.at(0).name, "c d");
  EXPECT_EQ(request.query.at(0).value, "e f+");
}

TEST(HttpTarget, ParametersKeepOrderAndRepeats) {
  const auto request = get("/?type=a&limit=5&type=b&flag&=x&&y=%26=");
  ASSERT_EQ(request.query.size(), 6u);
  EXPECT_EQ(request.query[0].value, "a");
  EXPECT_EQ(request.query[2].value, "b");
  EXPECT_EQ(request.query[3].name, "flag");
  EXPECT_EQ(request.query[4].value, "x");
  EXPECT_EQ(request.query[5].value, "&=");
  EXPECT_EQ(request.parameter("type"), "a");
  EXPECT_EQ(request.parameter("none"), std::nullopt);
}

TEST(HttpTarget, KeepsEmptySegments) {
  EXPECT_EQ(get("/").segments, (std::vector<std::string>{""}));
  EXPECT_EQ(get("/a//b/").segments, (std::vector<std::string>{"a", "", "b", ""}));
}

TEST(HttpTarget, TakesTheAbsoluteForm) {
  EXPECT_EQ(get("http://example.org/a?b=c").path, "/a");
  EXPECT_EQ(get("HTTP://example.org").path, "/");
}

TEST(HttpTarget, RefusesWrongEncoding) {
  for (const auto target :
       {"/%", "/%4", "/%zz", "/a%G0", "/%ff", "/%c3%28", "/%ed%a0%80", "/\xff", "/?a=%", "/?%zz=b",
        "/?a=%ff", "*", "a/b", "example.org:80", "http://x?a"}) {
    EXPECT_TRUE(refused_target(target)) << target;
  }
  const auto error = parse_request("GET /?limit=%ff HTTP/1.1\r\nHost: x\r\n\r\n").error();
  EXPECT_EQ(error.fields.at(0).where, "limit");
}

TEST(HttpHeaders, AreFoundWithoutCase) {
  const auto request =
      parsed("GET / HTTP/1.1\r\nhost: x\r\nTidemark:  one \r\ntidemark: two\r\nEmpty:\r\n\r\n");
  EXPECT_EQ(request.header("TIDEMARK"), "one");
  EXPECT_EQ(request.header_values("tidemark"), (std::vector<std::string_view>{"one", "two"}));
  EXPECT_EQ(request.header("empty"), "");
  EXPECT_EQ(request.header("other"), std::nullopt);
}

TEST(HttpHeaders, AmbiguousFramingIsRefused) {
  EXPECT_TRUE(refused_headers("Content-Length: 5\r\nTransfer-Encoding: chunked"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding: chunked\r\nContent-Length: 5"));
  EXPECT_TRUE(refused_headers("Content-Length: 5\r\nContent-Length: 6"));
  EXPECT_TRUE(refused_headers("Content-Length: 5, 6"));
  EXPECT_TRUE(refused_headers("Content-Length: +5"));
  EXPECT_TRUE(refused_headers("Content-Length: -5"));
  EXPECT_TRUE(refused_headers("Content-Length: 0x5"));
  EXPECT_TRUE(refused_headers("Content-Length: 99999999999999999999"));
  EXPECT_TRUE(refused_headers("Content-Length: "));
  EXPECT_TRUE(refused_headers("Transfer-Encoding: gzip, chunked"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding: identity"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding: xchunked"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding: chunked, chunked"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding:\r\n chunked"));
  EXPECT_TRUE(refused_headers("Transfer-Encoding : chunked"));
  EXPECT_TRUE(refused_headers("X: a\r\n folded"));
  EXPECT_TRUE(refused_headers("X:\r\n folded"));
  EXPECT_TRUE(refused_headers("X: a\r\n \r\nY: b"));
  EXPECT_TRUE(refused_headers("Host: y"));
  EXPECT_TRUE(refused("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
}

TEST(HttpHeaders, GarbageIsRefused) {
  for (const std::string_view wire :
       {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n",
        "GET  / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", " GET / HTTP/1.1\r\n\r\n",
        "G\x01T / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
        "GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"}) {
    EXPECT_TRUE(refused(wire)) << wire;
  }
}

TEST(HttpBody, ChunksAreJoined) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(parsed(head + "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\n").body,
            "hello world");
  EXPECT_TRUE(refused(head + "5\r\nhelloworld\r\n0\r\n\r\n"));
  EXPECT_TRUE(refused(head + "x\r\nhello\r\n0\r\n\r\n"));
  EXPECT_TRUE(refused(head + "-5\r\nhello\r\n0\r\n\r\n"));
  EXPECT_TRUE(refused(head + "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n"));
  EXPECT_TRUE(refused(head + "0\r\nContent-Length: 5\r\n\r\n"));
}

TEST(HttpParser, TakesItsInputInAnyPieces) {
  const std::string wire =
      "PUT /a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nEmpty:\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  const auto head_size = wire.find("\r\n\r\n") + 4;
  for (std::size_t piece = 1; piece < wire.size(); ++piece) {
    Parser parser(1024);
    std::string copy;  // moves in memory as it grows, like a connection's buffer
    for (auto complete = false; !complete;) {
      copy = wire.substr(0, copy.size() + piece);
      copy.shrink_to_fit();
      complete = parser.read_head(copy).value();
    }
    ASSERT_EQ(parser.head_size(), head_size);
    Request request;
    parser.take_head(copy, request);
    EXPECT_EQ(request.target, "/a?b=c");
    EXPECT_EQ(request.header("host"), "x");
    EXPECT_EQ(request.header("empty"), "");

    std::size_t begin = head_size;
    for (auto end = copy.size(); !parser.complete();) {
      const auto used =
          parser.read_body(std::string_view(wire).substr(begin, end - begin), request.body);
      begin += used.value();
      end = std::min(end + piece, wire.size());
    }
    EXPECT_EQ(request.body, "abcde");
    EXPECT_EQ(begin, wire.size());
  }
}

TEST(HttpParser, HasALimitForHeads) {
  const std::string wire =
      "GET / HTTP/1.1\r\nHost: x\r\nLong: " + std::string(100, 'a') + "\r\n\r\n";
  EXPECT_TRUE(Parser(wire.size()).read_head(wire).value());
  const auto refusal = Parser(wire.size() - 1).read_head(wire);
  ASSERT_FALSE(refusal);
  EXPECT_EQ(refusal.error().code, ErrorCode::headers_too_large);
  Parser parser(64);
  EXPECT_FALSE(parser.read_head(wire.substr(0, 63)).value());
  EXPECT_EQ(parser.read_head(wire.substr(0, 64)).error().code, ErrorCode::headers_too_large);
}

}  // namespace
}  // namespace api::http
