#include "api/welcome.h"

#include <cstdio>

#include <fmt/format.h>

#include "api/version.h"

namespace api {

void print_welcome(const Settings& settings, std::uint16_t port, std::string_view key) {
  const auto& host = settings.listen.host;
  const bool bare_v6 = host.contains(':') && !host.starts_with('[');
  auto url = fmt::format("http://{}:{}", bare_v6 ? '[' + host + ']' : host, port);
  fmt::print("Tidemark {} listens on {}, data in {}{}{}\n", version, url, settings.data,
             settings.log.empty() ? "" : ", log at ", settings.log);
  if (key.empty()) key = "<platform key>";
  fmt::print(
      "\nTry it:\n"
      "  export TIDEMARK_KEY={1}\n"
      "  curl -s {0}/v2/organizations -H \"Authorization: Bearer $TIDEMARK_KEY\" "
      "-d '{{\"name\":\"Acme\",\"slug\":\"acme\"}}' -H 'Content-Type: application/json'\n"
      "  curl -s {0}/v2/organizations -H \"Authorization: Bearer $TIDEMARK_KEY\"\n"
      "  open {0}/docs\n",
      url, key);
  std::fflush(stdout);
}

}  // namespace api
