#include "api/http/response.h"

#include "api/http/request.h"

namespace api::http {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

Response& Response::add_header(std::string_view name, std::string_view value) {
  headers.append(name).append(": ");
  for (const char c : value) headers.push_back(is_control(c) ? ' ' : c);
  headers.append("\r\n");
  return *this;
}

std::optional<std::string_view> Response::header(std::string_view name) const {
  for (std::string_view rest = headers; !rest.empty();) {
    const auto end = rest.find("\r\n");
    const auto colon = rest.find(": ");
    if (same_name(rest.substr(0, colon), name)) return rest.substr(colon + 2, end - colon - 2);
    rest.remove_prefix(end + 2);
  }
  return std::nullopt;
}

Response json_response(unsigned status, std::string body) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Response text_response(unsigned status, std::string_view content_type, std::string body) {
  auto response = json_response(status, std::move(body));
  response.content_type = content_type;
  return response;
}

Response empty_response() {
  return json_response(204, {});
}

Response streamed(std::string_view content_type, StreamFunction function) {
  Response response;
  response.content_type = content_type;
  response.stream = std::move(function);
  return response;
}

}  // namespace api::http
