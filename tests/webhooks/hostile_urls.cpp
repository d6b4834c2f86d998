#include "tests/webhooks/hostile_urls.h"

#include <span>
#include <string_view>

namespace webhooks {
namespace {

constexpr std::string_view number = "ends in a number";
constexpr std::string_view no_name = "no DNS name";
constexpr std::string_view no_host = "names no host";
constexpr std::string_view scheme = "begin with https://";
constexpr std::string_view user = "user name";
constexpr std::string_view characters = "white space";
constexpr std::string_view fragment = "fragment";
constexpr std::string_view zone = "zone id";
constexpr std::string_view no_port = "port is no number";

struct Row {
  std::string_view text;  // PORT stands for the port
  std::string_view why;
};

// Refused when it is read.
constexpr Row unreadable[] = {
    {"https://2130706433:PORT/", number},
    {"https://017700000001:PORT/", number},
    {"https://0x7f000001:PORT/", number},
    {"https://0X7F000001:PORT/", number},
    {"https://0x:PORT/", number},
    {"https://0:PORT/", number},
    {"https://127.1:PORT/", number},
    {"https://127.0.1:PORT/", number},
    {"https://127.0.0.1.1:PORT/", number},
    {"https://0177.0.0.1:PORT/", number},
    {"https://127.0.0.01:PORT/", number},
    {"https://127.0.0.001:PORT/", number},
    {"https://0x7f.0.0.1:PORT/", number},
    {"https://0x7f.0x0.0x0.0x1:PORT/", number},
    {"https://127.0.0.0x1:PORT/", number},
    {"https://127.0.0.256:PORT/", number},
    {"https://127.0.0.4294967297:PORT/", number},
    {"https://127..0.1:PORT/", number},
    {"https://example.127:PORT/", number},
    {"https://127.0.0.1.:PORT/", "ends in a dot"},
    {"https://localhost.:PORT/", "ends in a dot"},
    {"https://[::1%25lo]:PORT/", zone},
    {"https://[fe80::1%eth0]:PORT/", zone},
    {"https://[::1%]:PORT/", zone},
    {"https://[::ffff:127.0.0.1%25lo]:PORT/", zone},
    {"https://[::1:PORT/", "not closed"},
    {"https://[::1]x:PORT/", "between"},
    {"https://[::1].example.com:PORT/", "between"},
    {"https://::1:PORT/", "in brackets"},
    {"https://::ffff:127.0.0.1:PORT/", "in brackets"},
    {"https://[127.0.0.1]:PORT/", "no IPv6 address"},
    {"https://[localhost]:PORT/", "no IPv6 address"},
    {"https://[]:PORT/", "no IPv6 address"},
    {"https://[::ffff:0177.0.0.1]:PORT/", "no IPv6 address"},
    {"https://[::ffff:127.1]:PORT/", "no IPv6 address"},
    {"https://[v1.127.0.0.1]:PORT/", "no IPv6 address"},
    {"https://[0x0::1]:PORT/", "no IPv6 address"},
    {"https://example.com@127.0.0.1:PORT/", user},
    {"https://example.com:443@127.0.0.1:PORT/", user},
    {"https://user:secret@example.com/", user},
    {"https://:secret@127.0.0.1:PORT/", user},
    {"https://@127.0.0.1:PORT/", user},
    {"https://example.com%40127.0.0.1:PORT/", number},
    {"https://example.com@[::1]:PORT/", user},
    {"https://127.0.0.1:PORT\\@example.com/", characters},
    {"https:\\\\127.0.0.1:PORT/", characters},
    {"https://example.com\\.127.0.0.1:PORT/", characters},
    {"https://127.0.0.1:PORT#@example.com/", fragment},
    {"https://127.0.0.1:PORT/#", fragment},
    {"https://example.com/#secret", fragment},
    {"https://example.com @127.0.0.1:PORT/", characters},
    {" https://127.0.0.1:PORT/", characters},
    {"https://127.0.0.1:PORT/ ", characters},
    {"https://127.0.0.1:PORT/\r\nHost: metadata", characters},
    {"https://127.0.0.1:PORT/\nX-Secret: a", characters},
    {"https://127.0.\t0.1:PORT/", characters},
    {"https://127.0.0.1:PORT/\x7f", characters},
    {std::string_view("https://127.0.0.1\0.example.com/", 31), characters},
    {"https://１２７.0.0.1:PORT/", characters},
    {"https://127。0。0。1:PORT/", characters},
    {"https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/", characters},
    {"https://b\xc3\xbc"
     "cher.example/",
     characters},
    {"https://%6c%6fcalhost:PORT/", no_name},
    {"https://127%2e0%2e0%2e1:PORT/", no_name},
    {"https://127.0.0.1%00.example.com:PORT/", no_name},
    {"https://*.example.com/", no_name},
    {"https://-a.example.com/", no_name},
    {"https://a-.example.com/", no_name},
    {"https://a..example.com/", no_name},
    {"https://.example.com/", no_name},
    {"https://a_b.example.com/", no_name},
    {"https://127.0.0.1,example.com/", no_name},
    {"https://127.0.0.1;example.com/", no_name},
    {"https:///127.0.0.1:PORT/", no_host},
    {"https://", no_host},
    {"https://?127.0.0.1", no_host},
    {"https://:PORT/", no_host},
    {"https:/127.0.0.1:PORT/", scheme},
    {"https:127.0.0.1:PORT/", scheme},
    {"//127.0.0.1:PORT/", scheme},
    {"127.0.0.1:PORT", scheme},
    {"", scheme},
    {"ftp://127.0.0.1:PORT/", scheme},
    {"gopher://127.0.0.1:PORT/_secret", scheme},
    {"file:///etc/passwd", scheme},
    {"unix:/var/run/docker.sock", scheme},
    {"dict://127.0.0.1:PORT/", scheme},
    {"ws://127.0.0.1:PORT/", scheme},
    {"javascript:alert(1)", scheme},
    {"url:https://127.0.0.1:PORT/", scheme},
    {"https://example.com:/", no_port},
    {"https://example.com:0/", no_port},
    {"https://example.com:65536/", no_port},
    {"https://example.com:4294967739/", no_port},
    {"https://example.com:-443/", no_port},
    {"https://example.com:+443/", no_port},
    {"https://example.com:0443/", no_port},
    {"https://example.com:0x1bb/", no_port},
    {"https://example.com:https/", no_port},
    {"https://[::1]:/", no_port},
};

// An address that is not public, another port, no TLS: refused without resolving.
constexpr Row refused[] = {
    {"https://127.0.0.1:PORT/", "loopback"},
    {"https://127.255.255.254:PORT/", "loopback"},
    {"https://0.0.0.0:PORT/", "this network"},
    {"https://10.0.0.1:PORT/", "private use"},
    {"https://172.16.0.1:PORT/", "private use"},
    {"https://172.31.255.255:PORT/", "private use"},
    {"https://192.168.1.1:PORT/", "private use"},
    {"https://169.254.169.254/latest/meta-data/", "link-local"},
    {"https://169.254.170.2/v2/credentials", "link-local"},
    {"https://100.100.100.200/latest/meta-data/", "shared address space"},
    {"https://192.0.0.192/", "protocol assignments"},
    {"https://168.63.129.16/machine", "metadata"},
    {"https://198.18.0.1/", "benchmarking"},
    {"https://192.0.2.1/", "documentation"},
    {"https://192.88.99.1/", "6to4"},
    {"https://224.0.0.1:PORT/", "multicast"},
    {"https://255.255.255.255:PORT/", "reserved"},
    {"https://[::1]:PORT/", "loopback"},
    {"https://[0:0:0:0:0:0:0:1]:PORT/", "loopback"},
    {"https://[::]:PORT/", "unspecified"},
    {"https://[::ffff:127.0.0.1]:PORT/", "loopback"},
    {"https://[::FFFF:7F00:1]:PORT/", "loopback"},
    {"https://[0:0:0:0:0:ffff:169.254.169.254]/", "link-local"},
    {"https://[::127.0.0.1]:PORT/", "IPv4-compatible"},
    {"https://[64:ff9b::7f00:1]:PORT/", "loopback"},
    {"https://[64:ff9b::169.254.169.254]/", "link-local"},
    {"https://[64:ff9b:1::7f00:1]:PORT/", "local translation"},
    {"https://[2002:7f00:1::]:PORT/", "6to4"},
    {"https://[2001:0:7f00:1::]:PORT/", "protocol assignments"},
    {"https://[2001:db8::1]/", "documentation"},
    {"https://[3fff::1]/", "documentation"},
    {"https://[fd00:ec2::254]/", "unique local"},
    {"https://[fe80::1]:PORT/", "link-local"},
    {"https://[fec0::1]:PORT/", "site-local"},
    {"https://[ff02::1]:PORT/", "multicast"},
    {"https://[5f00::1]/", "segment routing"},
    {"https://[100::1]/", "discard only"},
    {"http://127.0.0.1:PORT/", "loopback"},
    {"http://8.8.8.8/", "without TLS"},
    {"http://example.com/", "without TLS"},
    {"http://localhost:PORT/", "without TLS"},
    {"https://8.8.8.8:22/", "--egress-ports"},
    {"https://example.com:25/", "--egress-ports"},
    {"https://localhost:6379/", "--egress-ports"},
};

// A name that leads there: refused when it is resolved.
constexpr Row misleading[] = {
    {"https://localhost:PORT/", "loopback"},
    {"https://LocalHost:PORT/", "loopback"},
    {"https://localhost6:PORT/", "loopback"},
    {"https://127.0.0.1.nip.example:PORT/", "loopback"},
    {"https://internal.example:PORT/", "private use"},
    {"https://metadata.google.internal/computeMetadata/v1/", "link-local"},
    {"https://mapped.example:PORT/", "loopback"},
    {"https://nat64.example:PORT/", "loopback"},
    {"https://6to4.example:PORT/", "6to4"},
    {"https://any.example:PORT/", "this network"},
    {"https://any6.example:PORT/", "unspecified"},
    {"https://zone.example:PORT/", "link-local"},
    {"https://mixed.example:PORT/", "loopback"},
    {"https://mixed-last.example:PORT/", "loopback"},
};

std::string with_port(std::string_view text, std::uint16_t port) {
  constexpr std::string_view name = "PORT";
  std::string made(text);
  const auto at = made.find(name);
  if (at != made.npos) made.replace(at, name.size(), std::to_string(port));
  return made;
}

}  // namespace

std::vector<HostileUrl> hostile_urls(std::uint16_t port) {
  std::vector<HostileUrl> urls;
  const auto add = [&](std::span<const Row> rows, Stage stage) {
    for (const auto& [text, why] : rows)
      urls.push_back({with_port(text, port), stage, std::string(why)});
  };
  add(unreadable, Stage::parse);
  add(refused, Stage::check);
  add(misleading, Stage::connect);
  return urls;
}

const std::map<std::string, std::vector<std::string>> hostile_names{
    {"localhost", {"127.0.0.1", "::1"}},
    {"localhost6", {"::1"}},
    {"127.0.0.1.nip.example", {"127.0.0.1"}},
    {"internal.example", {"10.0.0.5"}},
    {"metadata.google.internal", {"169.254.169.254"}},
    {"mapped.example", {"::ffff:127.0.0.1"}},
    {"nat64.example", {"64:ff9b::127.0.0.1"}},
    {"6to4.example", {"2002:7f00:1::"}},
    {"any.example", {"0.0.0.0"}},
    {"any6.example", {"::"}},
    {"zone.example", {"fe80::1%1"}},
    {"mixed.example", {"127.0.0.1", "93.184.215.14"}},
    {"mixed-last.example", {"93.184.215.14", "::1"}},
    {"example.com", {"93.184.215.14"}},
};

}  // namespace webhooks
