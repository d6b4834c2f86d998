// Goal: settings that say where the log is and how to reach it become what librdkafka is told, and
// every combination that cannot work is refused by its names, with what to do. Method: settings
// given as in the environment, and their check.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/kafka_settings.h"
#include "tests/support/temporary_directory.h"

namespace api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;
using Given = std::vector<std::pair<std::string, std::string>>;

class LogSetting : public testing::Test {
 protected:
  static Settings settings(const Given& given) {
    SettingSources sources;
    for (const auto& [name, text] : given) sources.flags.push_back({name, text, name});
    auto loaded = load_configuration(sources);
    EXPECT_TRUE(loaded) << loaded.error().detail;
    return loaded ? std::move(loaded->settings) : Settings();
  }
  static std::string unreadable(const std::string& name, const std::string& text) {
    auto loaded =
        load_configuration({.directories = {}, .environment = {}, .flags = {{name, text, "flag"}}});
    EXPECT_FALSE(loaded) << name << " " << text;
    return loaded ? std::string() : loaded.error().detail;
  }
  static std::string refusal(const Given& given) {
    auto right = check_log_settings(settings(given));
    EXPECT_FALSE(right);
    return right ? std::string() : right.error().detail;
  }
  static eventstore::kafka::Options options(const Given& given) {
    const auto made = settings(given);
    auto right = check_log_settings(made);
    EXPECT_TRUE(right) << right.error().detail;
    auto options = kafka_options(made, made.log);
    EXPECT_TRUE(options) << options.error().detail;
    return options ? std::move(*options) : eventstore::kafka::Options();
  }
  std::string file(const std::string& name, std::string_view text = "x") {
    const auto path = (directory_.path() / name).string();
    std::ofstream(path) << text;
    return path;
  }

  static inline const std::pair<std::string, std::string> kafka{"log", "kafka://a:9092,b:9093"};
  TemporaryDirectory directory_;
};

TEST_F(LogSetting, IsTheJournalUnlessBrokersAreNamed) {
  EXPECT_FALSE(log_is_on_kafka(settings({})));
  EXPECT_TRUE(check_log_settings(settings({})));
  EXPECT_FALSE(log_is_on_kafka(settings({{"log", ""}})));
  EXPECT_TRUE(log_is_on_kafka(settings({kafka})));
}

TEST_F(LogSetting, BrokersAreHostsWithPorts) {
  EXPECT_EQ(options({kafka}).brokers, "a:9092,b:9093");
  EXPECT_EQ(options({{"log", "kafka://[::1]:9092"}}).brokers, "[::1]:9092");
  for (const auto* text : {"kafka://", "kafka://a", "kafka://a:0", "kafka://a:1,", "kafka://a:1,b",
                           "kafka://a:1/topic", "http://a:1", "a:1", "kafka://a:70000"}) {
    EXPECT_THAT(unreadable("log", text), HasSubstr("kafka://HOST:PORT"));
  }
}

TEST_F(LogSetting, WithoutMoreBrokersAreReachedInPlainText) {
  const auto made = options({kafka});
  EXPECT_EQ(made.properties.at("security.protocol"), "plaintext");
  EXPECT_EQ(made.topic_prefix, "tm.");
  EXPECT_FALSE(made.properties.contains("sasl.mechanism"));
  EXPECT_EQ(made.password, nullptr);
}

TEST_F(LogSetting, ScramOverTlsIsWhatLibrdkafkaCallsIt) {
  const auto ca = file("ca.pem");
  const auto made = options({kafka,
                             {"kafka_security_protocol", "SASL_SSL"},
                             {"kafka_sasl_mechanism", "scram-sha-512"},
                             {"kafka_username", "tidemark"},
                             {"kafka_password_file", file("password", "geheim\n")},
                             {"kafka_ca", ca},
                             {"kafka_topic_prefix", "prod-1."}});
  EXPECT_THAT(made.properties,
              UnorderedElementsAre(Pair("security.protocol", "sasl_ssl"),
                                   Pair("ssl.endpoint.identification.algorithm", "https"),
                                   Pair("sasl.mechanism", "SCRAM-SHA-512"),
                                   Pair("sasl.username", "tidemark"), Pair("ssl.ca.location", ca)));
  ASSERT_NE(made.password, nullptr);
  EXPECT_EQ(made.password->reveal(), "geheim");
  EXPECT_EQ(made.topic_prefix, "prod-1.");
}

TEST_F(LogSetting, ACertificateOfOursGoesWithItsKey) {
  const auto certificate = file("certificate.pem");
  const auto key = file("key.pem");
  const auto made = options({kafka,
                             {"kafka_security_protocol", "ssl"},
                             {"kafka_certificate", certificate},
                             {"kafka_key", key}});
  EXPECT_EQ(made.properties.at("ssl.certificate.location"), certificate);
  EXPECT_EQ(made.properties.at("ssl.key.location"), key);
  EXPECT_THAT(
      refusal({kafka, {"kafka_security_protocol", "ssl"}, {"kafka_certificate", certificate}}),
      HasSubstr("kafka_certificate needs kafka_key"));
  EXPECT_THAT(refusal({kafka, {"kafka_security_protocol", "ssl"}, {"kafka_key", key}}),
              HasSubstr("kafka_key needs kafka_certificate"));
}

TEST_F(LogSetting, SaslNeedsAllOfMechanismNameAndPassword) {
  EXPECT_THAT(refusal({kafka, {"kafka_security_protocol", "sasl_ssl"}}),
              AllOf(HasSubstr("needs kafka_sasl_mechanism"), HasSubstr("needs kafka_username"),
                    HasSubstr("needs kafka_password_file, or TIDEMARK_KAFKA_PASSWORD")));
}

TEST_F(LogSetting, WhatTheProtocolDoesNotUseIsRefusedNotIgnored) {
  EXPECT_THAT(refusal({kafka, {"kafka_username", "tidemark"}, {"kafka_ca", "ca.pem"}}),
              AllOf(HasSubstr("kafka_username is given but not used"), HasSubstr("make that ssl,"),
                    Not(HasSubstr("cannot be read"))));
  EXPECT_THAT(refusal({kafka,
                       {"kafka_security_protocol", "sasl_plaintext"},
                       {"kafka_sasl_mechanism", "PLAIN"},
                       {"kafka_username", "tidemark"},
                       {"kafka_password", "geheim"},
                       {"kafka_ca", "ca.pem"}}),
              AllOf(HasSubstr("kafka_ca is given"), HasSubstr("make that sasl_ssl"),
                    Not(HasSubstr("geheim"))));
}

TEST_F(LogSetting, FilesThatAreNotThereAreNamed) {
  EXPECT_THAT(refusal({kafka, {"kafka_security_protocol", "ssl"}, {"kafka_ca", "/nowhere/ca.pem"}}),
              HasSubstr("kafka_ca /nowhere/ca.pem cannot be read"));
  for (const auto& path : {std::string("/nowhere/password"), file("empty", "\n")}) {
    const auto made = settings({kafka,
                                {"kafka_security_protocol", "sasl_plaintext"},
                                {"kafka_sasl_mechanism", "PLAIN"},
                                {"kafka_username", "tidemark"},
                                {"kafka_password_file", path}});
    const auto refused = kafka_options(made, made.log);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().detail, AllOf(HasSubstr("kafka_password_file"), HasSubstr(path)));
  }
}

TEST_F(LogSetting, ThePasswordThatComesLaterCounts) {
  const auto made = settings({{"kafka_password_file", "file"}, {"kafka_password", "geheim"}});
  EXPECT_EQ(made.kafka_password->reveal(), "geheim");
  EXPECT_FALSE(made.kafka_password_file);
  EXPECT_EQ(find_setting("kafka_password")->show(made), "(secret)");
  EXPECT_EQ(find_setting("kafka_password")->flag, Setting::Flag::no);
}

TEST_F(LogSetting, WhatIsForKafkaIsRefusedWithTheJournal) {
  const Given only_kafka[] = {{{"roles", "gateway"}},
                              {{"rpc_listen", "127.0.0.1:7000"}},
                              {{"kafka_security_protocol", "ssl"}},
                              {{"kafka_topic_prefix", "other."}},
                              {{"kafka_password", "geheim"}},
                              {{"rpc_ca", "ca.pem"}}};
  for (const auto& given : only_kafka) {
    EXPECT_THAT(refusal(given), AllOf(HasSubstr(given[0].first + " is for a log on Kafka"),
                                      HasSubstr("set log to kafka://")));
  }
  EXPECT_TRUE(check_log_settings(settings({{"roles", "gateway,manager,projector,deliverer"}})));
}

TEST_F(LogSetting, RolesAreAListOfKnownNames) {
  using eventstore::Role;
  const auto some = settings({kafka, {"roles", "manager,gateway"}}).roles;
  EXPECT_TRUE(some.has(Role::gateway) && some.has(Role::manager));
  EXPECT_FALSE(some.has(Role::projector) || some.has(Role::deliverer));
  EXPECT_EQ(to_text(some), "gateway,manager");
  EXPECT_TRUE(settings({}).roles.all());
  for (const auto* text : {"", "managers", "gateway,", "gateway;manager"}) {
    EXPECT_THAT(unreadable("roles", text), HasSubstr("gateway,manager,projector,deliverer"));
  }
  EXPECT_THAT(refusal({kafka, {"roles", "gateway,deliverer"}}),
              AllOf(HasSubstr("roles gateway,deliverer"), HasSubstr("add manager")));
  EXPECT_TRUE(check_log_settings(settings({kafka, {"roles", "manager,deliverer"}})));
}

TEST_F(LogSetting, OthersReachAProcessInPlainTextOnLoopbackOnly) {
  for (const auto* address : {"127.0.0.1:7000", "[::1]:7000", "localhost:7000", "127.8.0.1:0"}) {
    EXPECT_TRUE(check_log_settings(settings({kafka, {"rpc_listen", address}}))) << address;
  }
  for (const auto* address : {"10.0.0.1:7000", "[fd00::1]:7000", "server.example:7000"}) {
    EXPECT_THAT(refusal({kafka, {"rpc_listen", address}}),
                AllOf(HasSubstr("rpc_certificate, rpc_key and rpc_ca"), HasSubstr("127.0.0.1")));
    EXPECT_TRUE(check_log_settings(settings({kafka,
                                             {"rpc_listen", address},
                                             {"rpc_certificate", file("certificate.pem")},
                                             {"rpc_key", file("key.pem")},
                                             {"rpc_ca", file("ca.pem")}})));
  }
  EXPECT_THAT(refusal({kafka, {"rpc_listen", "0.0.0.0:7000"}}),
              HasSubstr("no address that others can reach"));
}

TEST_F(LogSetting, CertificatesBetweenProcessesComeWhole) {
  EXPECT_THAT(refusal({kafka, {"rpc_certificate", file("certificate.pem")}}),
              AllOf(HasSubstr("rpc_key is missing"), HasSubstr("rpc_ca is missing"),
                    Not(HasSubstr("rpc_certificate is missing"))));
}

}  // namespace
}  // namespace api
