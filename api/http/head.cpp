#include "api/http/head.h"

#include <iterator>

#include <boost/beast/http/status.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace api::http {

std::string_view DateText::at(schemas::Time now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second != second_ || text_.empty()) {
    second_ = second;
    text_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                        fmt::gmtime(std::chrono::system_clock::to_time_t(second)));
  }
  return text_;
}

schemas::Time now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::string make_request_id() {
  return schemas::typeid_text("req", schemas::make_uuid(now()));
}

bool has_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string render_head(const Response& response, const HeadSetting& setting) {
  std::string out;
  out.reserve(256 + response.headers.size());
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
  const auto append = std::back_inserter(out);
  fmt::format_to(append, "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n", response.status,
                 std::string_view(reason), setting.date, setting.request_id);
  out.append(response.headers);
  if (has_body(response.status)) {
    // A stream has no length to tell of, and to HEAD nothing of it is sent.
    const bool streams = static_cast<bool>(response.stream);
    if (streams || !response.body.empty()) {
      fmt::format_to(append, "Content-Type: {}\r\n", response.content_type);
    }
    if (setting.framing == Framing::chunked) out.append("Transfer-Encoding: chunked\r\n");
    if (setting.framing == Framing::length && !streams) {
      fmt::format_to(append, "Content-Length: {}\r\n", response.body.size());
    }
  }
  if (setting.after == After::close) out.append("Connection: close\r\n");
  if (setting.after == After::keep_alive_1_0) out.append("Connection: keep-alive\r\n");
  return out.append("\r\n");
}

}  // namespace api::http
