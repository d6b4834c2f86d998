#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "api/config.h"
#include "api/kafka_settings.h"
#include "manager/manifest.h"
#include "webhooks/egress.h"

/// The table of all settings.
namespace api {
namespace {

using Text = std::string_view;

std::string_view trimmed(Text text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == Text::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

template <auto member>
std::string set_text(Settings& settings, Text text) {
  if (text.empty()) return "must not be empty";
  settings.*member = std::string(text);
  return {};
}

template <auto member>
std::string show_text(const Settings& settings) {
  if constexpr (requires { (settings.*member).has_value(); }) {
    return (settings.*member).value_or("");
  } else {
    return settings.*member;
  }
}

/// What is wrong with the text of a whole number.
template <typename Number>
std::string read_number(Text text, Number min, Number max, Number& number) {
  Number read = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), read);
  if (code != std::errc() || end != text.data() + text.size() || read < min || read > max) {
    return fmt::format("must be a whole number from {} to {}, not \"{}\"", min, max, text);
  }
  number = read;
  return {};
}

template <auto member, auto min, auto max>
std::string set_number(Settings& settings, Text text) {
  using Number = std::remove_reference_t<decltype(settings.*member)>;
  return read_number(text, static_cast<Number>(min), static_cast<Number>(max), settings.*member);
}

template <auto member>
std::string show_number(const Settings& settings) {
  return fmt::format("{}", settings.*member);
}

template <auto member>
std::string set_seconds(Settings& settings, Text text) {
  std::int64_t seconds = 0;
  auto wrong = read_number<std::int64_t>(text, 1, 86'400, seconds);
  if (wrong.empty()) settings.deadlines.*member = std::chrono::seconds(seconds);
  return wrong;
}

template <auto member>
std::string show_seconds(const Settings& settings) {
  return fmt::format("{}", (settings.deadlines.*member).count() / 1000);
}

std::string set_keep_deliveries(Settings& settings, Text text) {
  const auto seconds = manager::parse_age(text);
  if (!seconds) return "must be a number from 1 to 9999 and s, m, h or d, such as 30d";
  settings.keep_deliveries = std::chrono::seconds(*seconds);
  return {};
}
std::string show_keep_deliveries(const Settings& settings) {
  const auto seconds = settings.keep_deliveries.count();
  for (const auto& [unit, length] : {std::pair{'d', 86'400}, {'h', 3'600}, {'m', 60}}) {
    if (seconds % length == 0) return fmt::format("{}{}", seconds / length, unit);
  }
  return fmt::format("{}s", seconds);
}

template <auto member>
std::string set_secret(Settings& settings, Text text) {
  if (trimmed(text).empty()) return "must not be empty";
  settings.*member = schemas::Secret(trimmed(text));
  return {};
}

template <auto member>
std::string show_secret(const Settings& settings) {
  return settings.*member ? "(secret)" : "";
}

/// Whichever of key and key_file comes later counts.
std::string set_key(Settings& settings, Text text) {
  settings.key_file.reset();
  return set_secret<&Settings::key>(settings, text);
}
std::string set_key_file(Settings& settings, Text text) {
  settings.key.reset();
  return set_text<&Settings::key_file>(settings, text);
}

/// Whichever of kafka_password and kafka_password_file comes later counts.
std::string set_kafka_password(Settings& settings, Text text) {
  settings.kafka_password_file.reset();
  return set_secret<&Settings::kafka_password>(settings, text);
}
std::string set_kafka_password_file(Settings& settings, Text text) {
  settings.kafka_password.reset();
  return set_text<&Settings::kafka_password_file>(settings, text);
}

template <auto member>
std::string set_address(Settings& settings, Text text) {
  auto address = http::parse_listen_address(text);
  if (!address) return fmt::format("must be HOST:PORT or [V6]:PORT, not \"{}\"", text);
  settings.*member = std::move(*address);
  return {};
}
template <auto member>
std::string show_address(const Settings& settings) {
  const auto& [host, port] = settings.*member;
  return fmt::format(fmt::runtime(host.contains(':') ? "[{}]:{}" : "{}:{}"), host, port);
}

std::string set_log_format(Settings& settings, Text text) {
  if (text != "text" && text != "json")
    return fmt::format("must be text or json, not \"{}\"", text);
  settings.log_format = text == "json" ? LogFormat::json : LogFormat::text;
  return {};
}
std::string show_log_format(const Settings& settings) {
  return settings.log_format == LogFormat::json ? "json" : "text";
}

std::string set_log_level(Settings& settings, Text text) {
  constexpr std::array<Text, 6> levels{"trace", "debug", "info", "warning", "error", "off"};
  if (std::ranges::find(levels, text) == levels.end()) {
    return fmt::format("must be one of {}, not \"{}\"", fmt::join(levels, ", "), text);
  }
  settings.log_level = text;
  return {};
}

std::string set_space(Settings& settings, Text text) {
  const auto space = schemas::parse_space(text);
  if (!space) return fmt::format("must be live or test, not \"{}\"", text);
  settings.space = *space;
  return {};
}
std::string show_space(const Settings& settings) {
  return settings.space ? std::string(to_text(*settings.space)) : "";
}

std::string set_log(Settings& settings, Text text) {
  if (auto brokers = parse_kafka_address(text); !text.empty() && !brokers) {
    return brokers.error().detail;
  }
  settings.log = text;
  return {};
}

/// One of a few words, whatever its case; kept as it stands in `words`.
template <auto member, const auto& words>
std::string set_word(Settings& settings, Text text) {
  const auto same = [&](Text word) {
    return std::ranges::equal(word, text, [](unsigned char a, unsigned char b) {
      return std::tolower(a) == std::tolower(b);
    });
  };
  const auto* const found = std::ranges::find_if(words, same);
  if (found == std::end(words)) {
    return fmt::format("must be one of {}, not \"{}\"", fmt::join(words, ", "), text);
  }
  settings.*member = std::string(*found);
  return {};
}
constexpr std::array<Text, 4> security_protocols{"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
constexpr std::array<Text, 3> sasl_mechanisms{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};

/// As Kafka names topics, with room for a product's name.
std::string set_topic_prefix(Settings& settings, Text text) {
  constexpr std::size_t length_max = 100;
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  if (text.empty() || text.size() > length_max || !std::ranges::all_of(text, fits)) {
    return fmt::format(
        "must be up to {} letters, digits, dots, underscores and hyphens, not \"{}\"", length_max,
        text);
  }
  settings.kafka_topic_prefix = text;
  return {};
}

std::string set_roles(Settings& settings, Text text) {
  const auto roles = eventstore::parse_roles(text);
  if (!roles) {
    return fmt::format(
        "must be some of gateway,manager,projector,deliverer with commas between, "
        "not \"{}\"",
        text);
  }
  settings.roles = *roles;
  return {};
}
std::string show_roles(const Settings& settings) {
  return to_text(settings.roles);
}

std::vector<Text> parts_of(Text list) {
  std::vector<Text> parts;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    parts.push_back(trimmed(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

std::string set_egress_allow(Settings& settings, Text text) {
  std::vector<std::string> blocks;
  for (const auto part : parts_of(text)) blocks.emplace_back(part);
  if (auto read = webhooks::Egress::parse(blocks); !read) return read.error().detail;
  settings.egress_allow = std::move(blocks);
  return {};
}
std::string show_egress_allow(const Settings& settings) {
  return fmt::format("{}", fmt::join(settings.egress_allow, ","));
}

std::string set_egress_ports(Settings& settings, Text text) {
  std::vector<std::uint16_t> ports;
  for (const auto part : parts_of(text)) {
    std::uint16_t port = 0;
    auto wrong = read_number<std::uint16_t>(part, 1, 65'535, port);
    if (!wrong.empty()) return wrong;
    ports.push_back(port);
  }
  if (ports.empty()) return "must name a port";
  settings.egress_ports = std::move(ports);
  return {};
}
std::string show_egress_ports(const Settings& settings) {
  return fmt::format("{}", fmt::join(settings.egress_ports, ","));
}

using S = Settings;
using D = http::Deadlines;
constexpr auto open = Setting::Secrecy::open;
constexpr auto secret = Setting::Secrecy::secret;
constexpr auto flag = Setting::Flag::yes;
constexpr auto no_flag = Setting::Flag::no;
constexpr auto size_max = std::numeric_limits<std::uint32_t>::max();

constexpr Setting table[] = {
    {"data", "DIR", "where everything is kept", flag, open, set_text<&S::data>,
     show_text<&S::data>},
    {"listen", "HOST:PORT", "where the server answers; port 0 lets the system choose", flag, open,
     set_address<&S::listen>, show_address<&S::listen>},
    {"bootstrap_key_file", "PATH",
     "the platform key of a new log is read from there, or written there, instead of printed", flag,
     open, set_text<&S::bootstrap_key_file>, show_text<&S::bootstrap_key_file>},
    {"bootstrap_key", "KEY", "the platform key of a new log", no_flag, secret,
     set_secret<&S::bootstrap_key>, show_secret<&S::bootstrap_key>},
    {"root_key", "PATH", "the file of the root key, instead of root.key in the data directory",
     flag, open, set_text<&S::root_key>, show_text<&S::root_key>},
    {"partitions", "N", "partitions of every topic; of a new log only", flag, open,
     set_number<&S::partitions, 1, 4096>, show_number<&S::partitions>},
    {"threads", "N", "threads that answer HTTP; 0: one per core", flag, open,
     set_number<&S::threads, 0, 1024>, show_number<&S::threads>},
    {"log_format", "text|json", "what log lines look like", flag, open, set_log_format,
     show_log_format},
    {"log_level", "LEVEL", "trace, debug, info, warning, error or off", flag, open, set_log_level,
     show_text<&S::log_level>},
    {"header_timeout_seconds", "N", "from a request's first byte to the end of its head", flag,
     open, set_seconds<&D::header>, show_seconds<&D::header>},
    {"body_timeout_seconds", "N", "until more of a request's body comes", flag, open,
     set_seconds<&D::body>, show_seconds<&D::body>},
    {"idle_timeout_seconds", "N", "between two requests, or two lines of a bulk request", flag,
     open, set_seconds<&D::idle>, show_seconds<&D::idle>},
    {"write_timeout_seconds", "N", "until a client takes some of an answer", flag, open,
     set_seconds<&D::write>, show_seconds<&D::write>},
    {"stop_timeout_seconds", "N", "for requests and streams to end when the server stops", flag,
     open, set_seconds<&D::stop>, show_seconds<&D::stop>},
    {"connections_max", "N", "more than so many connections are turned away", flag, open,
     set_number<&S::connections_max, 1, size_max>, show_number<&S::connections_max>},
    {"log", "ADDRESS",
     "where the log is: kafka://HOST:PORT[,HOST:PORT…]; empty: the journal in the data directory",
     flag, open, set_log, show_text<&S::log>},
    {"kafka_security_protocol", "PROTOCOL", "plaintext, ssl, sasl_plaintext or sasl_ssl", flag,
     open, set_word<&S::kafka_security_protocol, security_protocols>,
     show_text<&S::kafka_security_protocol>},
    {"kafka_sasl_mechanism", "NAME", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", flag, open,
     set_word<&S::kafka_sasl_mechanism, sasl_mechanisms>, show_text<&S::kafka_sasl_mechanism>},
    {"kafka_username", "NAME", "who logs in to Kafka", flag, open, set_text<&S::kafka_username>,
     show_text<&S::kafka_username>},
    {"kafka_password", "TEXT", "with what they log in", no_flag, secret, set_kafka_password,
     show_secret<&S::kafka_password>},
    {"kafka_password_file", "PATH", "a file that holds the password", flag, open,
     set_kafka_password_file, show_text<&S::kafka_password_file>},
    {"kafka_ca", "PATH", "a PEM file of who certifies Kafka's brokers, if the system does not know",
     flag, open, set_text<&S::kafka_ca>, show_text<&S::kafka_ca>},
    {"kafka_certificate", "PATH", "a PEM file of the certificate to show to Kafka's brokers", flag,
     open, set_text<&S::kafka_certificate>, show_text<&S::kafka_certificate>},
    {"kafka_key", "PATH", "a PEM file of that certificate's key", flag, open,
     set_text<&S::kafka_key>, show_text<&S::kafka_key>},
    {"kafka_topic_prefix", "TEXT", "how the names of this log's topics begin", flag, open,
     set_topic_prefix, show_text<&S::kafka_topic_prefix>},
    {"roles", "ROLE,…", "what this process does for a cluster on Kafka", flag, open, set_roles,
     show_roles},
    {"rpc_listen", "HOST:PORT", "where the cluster's other processes reach this one", flag, open,
     set_address<&S::rpc_listen>, show_address<&S::rpc_listen>},
    {"rpc_certificate", "PATH", "a PEM file of the certificate that this process shows to them",
     flag, open, set_text<&S::rpc_certificate>, show_text<&S::rpc_certificate>},
    {"rpc_key", "PATH", "a PEM file of that certificate's key", flag, open, set_text<&S::rpc_key>,
     show_text<&S::rpc_key>},
    {"rpc_ca", "PATH", "a PEM file of who certifies the cluster's processes", flag, open,
     set_text<&S::rpc_ca>, show_text<&S::rpc_ca>},
    {"egress_allow", "BLOCK,…",
     "addresses such as 10.1.0.0/16 that webhooks may be sent to though they are not public, at "
     "any "
     "port and without TLS",
     flag, open, set_egress_allow, show_egress_allow},
    {"egress_ports", "PORT,…", "ports of public addresses that webhooks may be sent to", flag, open,
     set_egress_ports, show_egress_ports},
    {"egress_ca", "PATH", "a PEM file of who certifies receivers of webhooks, besides the system's",
     flag, open, set_text<&S::egress_ca>, show_text<&S::egress_ca>},
    {"keep_deliveries", "AGE",
     "how long a delivery that has ended is kept, to be shown and sent again: a number and s, m, h "
     "or d",
     flag, open, set_keep_deliveries, show_keep_deliveries},
    {"url", "URL", "where the server is that a command talks to", flag, open, set_text<&S::url>,
     show_text<&S::url>},
    {"key", "KEY", "who asks; TIDEMARK_KEY and --key-file keep it out of process lists", flag,
     secret, set_key, show_secret<&S::key>},
    {"key_file", "PATH", "a file that holds the key", flag, open, set_key_file,
     show_text<&S::key_file>},
    {"organization", "ID", "the organization in which a platform key acts", flag, open,
     set_text<&S::organization>, show_text<&S::organization>},
    {"space", "live|test", "the space in which a platform key acts", flag, open, set_space,
     show_space},
};

/// `log_format` with another separator.
std::string renamed(std::string_view prefix, std::string_view name, char separator) {
  std::string text(prefix);
  std::ranges::transform(name, std::back_inserter(text),
                         [=](char c) { return c == '_' ? separator : c; });
  return text;
}

}  // namespace

std::string Setting::flag_name() const {
  return renamed("--", name, '-');
}

std::string Setting::environment_name() const {
  auto text = renamed("TIDEMARK_", name, '_');
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

std::span<const Setting> all_settings() {
  return table;
}

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(table, name, &Setting::name);
  return found == std::end(table) ? nullptr : found;
}

}  // namespace api
