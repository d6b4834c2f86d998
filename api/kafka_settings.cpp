#include "api/kafka_settings.h"

#include <ranges>
#include <unistd.h>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "eventstore/file.h"
#include "eventstore/kafka_reach.h"

namespace api {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

constexpr std::string_view scheme = "kafka://";

/// Collects what is wrong, a line each.
class Faults {
 public:
  void check(bool right, std::string_view what) {
    if (!right) lines_.emplace_back(what);
  }
  void file(std::string_view name, const std::optional<std::string>& path) {
    check(!path || ::access(path->c_str(), R_OK) == 0,
          fmt::format("{} {} cannot be read; name a PEM file that this process may read", name,
                      path.value_or("")));
  }
  Result<void> finish() const {
    if (lines_.empty()) return {};
    return fail(ErrorCode::invalid_parameter, fmt::format("{}", fmt::join(lines_, "\n")));
  }

 private:
  std::vector<std::string> lines_;
};

using Given = std::vector<std::pair<std::string_view, bool>>;

Given sasl_given(const Settings& s) {
  return {{"kafka_sasl_mechanism", s.kafka_sasl_mechanism.has_value()},
          {"kafka_username", s.kafka_username.has_value()},
          {"kafka_password", s.kafka_password.has_value()},
          {"kafka_password_file", s.kafka_password_file.has_value()}};
}
Given tls_given(const Settings& s) {
  return {{"kafka_ca", s.kafka_ca.has_value()},
          {"kafka_certificate", s.kafka_certificate.has_value()},
          {"kafka_key", s.kafka_key.has_value()}};
}
Given rpc_given(const Settings& s) {
  return {{"rpc_certificate", s.rpc_certificate.has_value()},
          {"rpc_key", s.rpc_key.has_value()},
          {"rpc_ca", s.rpc_ca.has_value()}};
}

void check_kafka(const Settings& s, Faults& faults) {
  const auto& protocol = s.kafka_security_protocol;
  const bool tls = protocol.ends_with("ssl");
  const bool sasl = protocol.starts_with("sasl_");
  for (const auto& [name, given] : sasl_given(s)) {
    faults.check(sasl || !given,
                 fmt::format("{} is given but not used with kafka_security_protocol {}; make that "
                             "sasl_ssl (or sasl_plaintext), or leave {} out",
                             name, protocol, name));
  }
  for (const auto& [name, given] : tls_given(s)) {
    faults.check(tls || !given,
                 fmt::format("{} is given but not used with kafka_security_protocol {}; make that "
                             "{}, or leave {} out",
                             name, protocol, sasl ? "sasl_ssl" : "ssl", name));
  }
  if (sasl) {
    faults.check(s.kafka_sasl_mechanism.has_value(),
                 fmt::format("kafka_security_protocol {} needs kafka_sasl_mechanism: PLAIN, "
                             "SCRAM-SHA-256 or SCRAM-SHA-512, as the brokers have it",
                             protocol));
    faults.check(s.kafka_username.has_value(),
                 fmt::format("kafka_security_protocol {} needs kafka_username", protocol));
    faults.check(s.kafka_password || s.kafka_password_file,
                 fmt::format("kafka_security_protocol {} needs kafka_password_file, or "
                             "TIDEMARK_KAFKA_PASSWORD in the environment",
                             protocol));
  }
  faults.check(!s.kafka_certificate || s.kafka_key,
               "kafka_certificate needs kafka_key, the PEM file of its key");
  faults.check(!s.kafka_key || s.kafka_certificate,
               "kafka_key needs kafka_certificate, the PEM file of the certificate it belongs to");
  if (!tls) return;
  faults.file("kafka_ca", s.kafka_ca);
  faults.file("kafka_certificate", s.kafka_certificate);
  faults.file("kafka_key", s.kafka_key);
}

void check_rpc(const Settings& s, Faults& faults) {
  const auto given = rpc_given(s);
  const auto count = std::ranges::count_if(given, [](const auto& one) { return one.second; });
  for (const auto& [name, is_given] : given) {
    faults.check(count == 0 || is_given,
                 fmt::format("{} is missing: processes that know each other by certificate need "
                             "rpc_certificate, rpc_key and rpc_ca",
                             name));
  }
  faults.file("rpc_certificate", s.rpc_certificate);
  faults.file("rpc_key", s.rpc_key);
  faults.file("rpc_ca", s.rpc_ca);
  const auto& host = s.rpc_listen.host;
  boost::system::error_code is_name;
  const auto address = boost::asio::ip::make_address(host, is_name);
  faults.check(is_name || !address.is_unspecified(),
               fmt::format("rpc_listen {} is no address that others can reach; name the one of "
                           "this machine that they use",
                           host));
  const bool loopback = is_name ? host == "localhost" : address.is_loopback();
  faults.check(loopback || count > 0,
               fmt::format("rpc_listen {} can be reached from other machines, and nothing would "
                           "say who asks: give rpc_certificate, rpc_key and rpc_ca, or listen on "
                           "127.0.0.1",
                           host));
}

/// Whoever writes an organization's partition sends its events: nobody else would.
void check_roles(const Settings& s, Faults& faults) {
  faults.check(s.roles.has(eventstore::Role::manager) || !s.roles.has(eventstore::Role::deliverer),
               fmt::format("roles {}: deliverer needs manager, since a process sends the events "
                           "of those organizations whose partitions it writes; add manager, or "
                           "leave deliverer out",
                           to_text(s.roles)));
}

/// What means something on Kafka only: with the journal it is a mistake, most likely a `log` that
/// was forgotten, and starting on another log than was meant is worse than not starting.
void check_journal(const Settings& s, Faults& faults) {
  const Settings defaults;
  auto given = sasl_given(s);
  std::ranges::copy(tls_given(s), std::back_inserter(given));
  std::ranges::copy(rpc_given(s), std::back_inserter(given));
  given.emplace_back("kafka_security_protocol",
                     s.kafka_security_protocol != defaults.kafka_security_protocol);
  given.emplace_back("kafka_topic_prefix", s.kafka_topic_prefix != defaults.kafka_topic_prefix);
  given.emplace_back("roles", !s.roles.all());
  given.emplace_back("rpc_listen", s.rpc_listen.host != defaults.rpc_listen.host ||
                                       s.rpc_listen.port != defaults.rpc_listen.port);
  for (const auto& [name, is_given] : given) {
    faults.check(!is_given, fmt::format("{} is for a log on Kafka, and this one is the journal in "
                                        "the data directory; set log to kafka://host:port, or "
                                        "leave {} out",
                                        name, name));
  }
}

/// Without the end of its line.
Result<std::string> read_password(const std::string& path) {
  auto bytes = eventstore::read_whole(eventstore::posix_files(), path);
  if (!bytes) {
    return fail(ErrorCode::invalid_parameter,
                fmt::format("kafka_password_file: {}; name a file that this process may read",
                            bytes.error().detail));
  }
  std::string text(schemas::text_of(*bytes));
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (!text.empty()) return text;
  return fail(ErrorCode::invalid_parameter,
              fmt::format("kafka_password_file {} is empty; write the password into it", path));
}

}  // namespace

Result<std::string> parse_kafka_address(std::string_view text) {
  const auto refuse = [&] {
    return fail(ErrorCode::invalid_parameter,
                fmt::format("must be empty or kafka://HOST:PORT[,HOST:PORT…], not \"{}\"", text));
  };
  if (!text.starts_with(scheme)) return refuse();
  const auto brokers = text.substr(scheme.size());
  for (const auto part : std::views::split(brokers, ',')) {
    const auto address = http::parse_listen_address(std::string_view(part.begin(), part.end()));
    if (!address || address->port == 0) return refuse();
  }
  if (brokers.empty() || brokers.contains('/')) return refuse();
  return std::string(brokers);
}

Result<void> check_log_settings(const Settings& settings) {
  Faults faults;
  if (log_is_on_kafka(settings)) {
    check_kafka(settings, faults);
    check_rpc(settings, faults);
    check_roles(settings, faults);
  } else {
    check_journal(settings, faults);
  }
  return faults.finish();
}

Result<eventstore::kafka::Options> kafka_options(const Settings& settings,
                                                 std::string_view address) {
  auto brokers = parse_kafka_address(address);
  if (!brokers) return fail(std::move(brokers).error());
  Faults faults;
  check_kafka(settings, faults);
  if (auto right = faults.finish(); !right) return fail(std::move(right).error());
  eventstore::kafka::Options options{.brokers = std::move(*brokers),
                                     .topic_prefix = settings.kafka_topic_prefix};
  options.properties["security.protocol"] = settings.kafka_security_protocol;
  // A broker that shows another host's certificate is somebody else.
  options.properties["ssl.endpoint.identification.algorithm"] = "https";
  const std::pair<const char*, const std::optional<std::string>*> texts[] = {
      {"sasl.mechanism", &settings.kafka_sasl_mechanism},
      {"sasl.username", &settings.kafka_username},
      {"ssl.ca.location", &settings.kafka_ca},
      {"ssl.certificate.location", &settings.kafka_certificate},
      {"ssl.key.location", &settings.kafka_key}};
  for (const auto& [property, text] : texts) {
    if (*text) options.properties[property] = **text;
  }
  if (settings.kafka_password) {
    options.password = std::make_shared<schemas::Secret>(settings.kafka_password->clone());
  } else if (settings.kafka_password_file) {
    auto password = read_password(*settings.kafka_password_file);
    if (!password) return fail(std::move(password).error());
    options.password = std::make_shared<schemas::Secret>(*password);
  }
  return options;
}

Result<void> reach_kafka(const eventstore::kafka::Options& options) {
  using Why = eventstore::kafka::Unreachable::Why;
  const auto reached = eventstore::kafka::reach(options);
  if (reached) return {};
  const auto remedy = [&]() -> std::string_view {
    switch (reached.error().why) {
      case Why::refused:
        return "kafka_username, the password and kafka_sasl_mechanism must be as the brokers know "
               "them";
      case Why::not_trustworthy:
        return "kafka_security_protocol must be the brokers', kafka_ca of who certified them, and "
               "their certificates must name the hosts in log; kafka_certificate, where they ask "
               "for one, must be of who they trust";
      case Why::no_answer:
        break;
    }
    return "look whether they run, whether log names them, and whether kafka_security_protocol is "
           "theirs";
  }();
  return fail(ErrorCode::internal, fmt::format("Kafka's brokers {} cannot be used: {}; {}",
                                               options.brokers, reached.error().detail, remedy));
}

}  // namespace api
