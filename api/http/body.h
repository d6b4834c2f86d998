#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/http/connection.h"
#include "api/http/parser.h"

namespace api::http {

/// Reads on until `body` has grown or is complete. False: the peer is gone.
awaitable<schemas::Result<bool>> read_some_body(Connection& connection, Parser& parser,
                                                std::string& body, Clock::time_point deadline);

/// A body taken line by line as it arrives; holds one line and what came with it.
class LineReader {
 public:
  LineReader(Connection& connection, Parser& parser, std::size_t line_bytes_max,
             Clock::duration patience);

  /// See Stream::read_line.
  awaitable<schemas::Result<std::optional<std::string_view>>> next();
  /// The number, from 1 and with the empty ones counted, of the line that next() gave or refused.
  std::size_t number() const { return number_; }
  /// Gives the lines that are here already, then an error.
  void stop();

 private:
  std::optional<std::string_view> take_line();

  Connection& connection_;
  Parser& parser_;
  std::size_t line_bytes_max_;
  Clock::duration patience_;
  std::string pending_;
  std::size_t begin_ = 0;    // of the next line
  std::size_t scanned_ = 0;  // there is no line end before it
  std::size_t number_ = 0;
  bool failed_ = false;
  bool stopping_ = false;
};

}  // namespace api::http
