#pragma once

#include <string>
#include <string_view>

#include "api/http/response.h"
#include "schemas/ids.h"

namespace api::http {

/// The Date header's value (RFC 9110 5.6.7), made once a second. For one thread.
class DateText {
 public:
  std::string_view at(schemas::Time now);

 private:
  std::chrono::sys_seconds second_{};
  std::string text_;
};

schemas::Time now();
std::string make_request_id();

/// How the answer's end is found, and whether the connection goes on behind it.
enum class Framing : std::uint8_t { length, chunked, until_close };
enum class After : std::uint8_t { keep_alive, keep_alive_1_0, close };

struct HeadSetting {
  std::string_view date;
  std::string_view request_id;
  Framing framing;
  After after;
};

/// Whether answers with this status have a body at all (RFC 9110 6.4.1).
bool has_body(unsigned status);

/// Status line and headers, with the empty line behind them.
std::string render_head(const Response& response, const HeadSetting& setting);

}  // namespace api::http
