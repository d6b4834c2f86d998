#include "api/http/body.h"

#include <fmt/format.h>

namespace api::http {
namespace {

using schemas::ErrorCode;

constexpr std::size_t read_bytes = 64 * 1024;

std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

awaitable<schemas::Result<bool>> read_some_body(Connection& connection, Parser& parser,
                                                std::string& body, Clock::time_point deadline) {
  const auto size_before = body.size();
  while (true) {
    const auto used = parser.read_body(connection.buffered(), body);
    if (!used) co_return std::unexpected(used.error());
    connection.consume(*used);
    if (parser.complete() || body.size() > size_before) co_return true;
    const auto io = co_await connection.read(read_bytes, deadline);
    if (io == Io::closed) co_return false;
    if (io == Io::expired) {
      co_return schemas::fail(ErrorCode::request_timeout, "the body did not arrive in time");
    }
  }
}

LineReader::LineReader(Connection& connection, Parser& parser, std::size_t line_bytes_max,
                       Clock::duration patience)
    : connection_(connection),
      parser_(parser),
      line_bytes_max_(line_bytes_max),
      patience_(patience) {}

awaitable<schemas::Result<std::optional<std::string_view>>> LineReader::next() {
  while (!failed_) {
    const auto line = take_line();
    if (line && line->size() <= line_bytes_max_) co_return *line;
    if (line || pending_.size() - begin_ > line_bytes_max_ + 1) {
      failed_ = true;
      if (!line) ++number_;
      co_return schemas::fail(ErrorCode::too_large,
                              fmt::format("a line may have {} bytes", line_bytes_max_));
    }
    if (parser_.complete()) co_return std::nullopt;
    pending_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    schemas::Result<bool> got = true;
    if (!stopping_) {
      got = co_await read_some_body(connection_, parser_, pending_, Clock::now() + patience_);
      if (got && *got) continue;
    }
    failed_ = true;
    ++number_;
    if (stopping_) {
      co_return schemas::fail(ErrorCode::overloaded, "the server stops; send what is left again");
    }
    if (!got) co_return std::unexpected(std::move(got).error());
    co_return schemas::fail(ErrorCode::invalid_parameter, "the connection ended within the body");
  }
  co_return std::nullopt;
}

void LineReader::stop() {
  stopping_ = true;
  connection_.interrupt_read();
}

std::optional<std::string_view> LineReader::take_line() {
  while (true) {
    auto end = pending_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = pending_.size();
      if (!parser_.complete()) return std::nullopt;
      end = pending_.size();  // the last line may lack its end
    }
    if (begin_ == pending_.size()) return std::nullopt;
    const auto line = std::string_view(pending_).substr(begin_, end - begin_);
    begin_ = scanned_ = std::min(end + 1, pending_.size());
    ++number_;
    if (const auto text = without_return(line); !text.empty()) return text;
  }
}

}  // namespace api::http
