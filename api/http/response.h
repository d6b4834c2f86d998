#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/coroutine.h"
#include "api/http/stream.h"
#include "schemas/result.h"

namespace api::http {

/// What goes on after the head of a streamed answer was sent. It takes what it needs by value (a
/// plain lambda that moves its captures into a coroutine's arguments), for by the time it runs the
/// request and the handler's frame are gone.
using StreamFunction = std::move_only_function<awaitable<void>(Stream)>;

/// One answer. The session adds Date, X-Request-Id, Content-Length and what the connection needs.
struct Response {
  unsigned status = 200;
  std::string_view content_type = "application/json";  ///< a literal; sent when there is a body
  std::string headers;                                 ///< rendered lines, see add_header
  std::string body;
  std::optional<schemas::Error> error;  ///< the session renders it, with the request's id, as body
  StreamFunction stream;                ///< instead of a body

  /// Control characters in `value` become spaces, so that no value can begin a new header.
  Response& add_header(std::string_view name, std::string_view value);
  /// The first header of that name, for tests and for code that changes an answer.
  std::optional<std::string_view> header(std::string_view name) const;
};

Response json_response(unsigned status, std::string body);
Response text_response(unsigned status, std::string_view content_type, std::string body);
Response empty_response();  ///< 204
/// 200 and then whatever `function` writes.
Response streamed(std::string_view content_type, StreamFunction function);

}  // namespace api::http
