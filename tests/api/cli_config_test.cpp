// Goal: settings come from files, environment and flags, later ones win, and what nobody knows is
// an error that names where it stands and what was probably meant. Method: directories of files
// made by the test, and an environment and flags that it gives.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/config.h"
#include "api/nearest.h"
#include "api/version.h"

namespace api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Config : public testing::Test {
 protected:
  Config() {
    std::filesystem::create_directories(root_ + "/first");
    std::filesystem::create_directories(root_ + "/second");
    sources_.directories = {root_ + "/first", root_ + "/missing", root_ + "/second"};
  }
  ~Config() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, std::string_view text) {
    std::ofstream(root_ + "/" + name) << text;
  }
  void flag(const std::string& name, const std::string& text) {
    sources_.flags.push_back({name, text, "--" + name});
  }
  Configuration load() {
    auto loaded = load_configuration(sources_);
    EXPECT_TRUE(loaded) << loaded.error().detail;
    return loaded ? std::move(*loaded) : Configuration();
  }
  std::string refusal() {
    auto loaded = load_configuration(sources_);
    EXPECT_FALSE(loaded);
    return loaded ? std::string() : loaded.error().detail;
  }

  const std::string root_ = fmt::format("{}/config_{}_{}", testing::TempDir(), ::getpid(),
                                        testing::UnitTest::GetInstance()->random_seed());
  SettingSources sources_;
};

TEST_F(Config, NothingGivenIsTheDefaults) {
  const auto made = load();
  EXPECT_EQ(made.settings.listen.port, 8080);
  EXPECT_EQ(made.settings.partitions, 64);
  EXPECT_TRUE(made.origins.empty());
}

TEST_F(Config, LaterOnesWin) {
  write("first/b.json", R"({"data":"b","listen":"127.0.0.1:2","threads":2,"partitions":2})");
  write("first/a.json", R"({"data":"a","log_level":"debug"})");
  write("second/c.json", R"({"listen":"127.0.0.1:3","threads":3,"partitions":3})");
  sources_.environment = {{"TIDEMARK_THREADS", "4"}, {"TIDEMARK_PARTITIONS", "4"}};
  flag("partitions", "5");
  const auto made = load();
  EXPECT_EQ(made.settings.log_level, "debug");
  EXPECT_EQ(made.settings.data, "b");
  EXPECT_EQ(made.settings.listen.port, 3);
  EXPECT_EQ(made.settings.threads, 4u);
  EXPECT_EQ(made.settings.partitions, 5);
  EXPECT_EQ(made.origins.at("data"), root_ + "/first/b.json");
  EXPECT_EQ(made.origins.at("threads"), "TIDEMARK_THREADS");
  EXPECT_EQ(made.origins.at("partitions"), "--partitions");
}

TEST_F(Config, AnEmptyVariableIsNone) {
  sources_.environment = {{"TIDEMARK_THREADS", ""}, {"TIDEMARK_BOOTSTRAP_KEY", ""}};
  EXPECT_TRUE(load().origins.empty());
}

TEST_F(Config, TheKeyThatComesLaterCounts) {
  sources_.environment = {{"TIDEMARK_KEY", " le_live_x\n"}};
  EXPECT_EQ(load().settings.key->reveal(), "le_live_x");
  flag("key_file", "file");
  const auto made = load();
  EXPECT_FALSE(made.settings.key);
  EXPECT_EQ(made.settings.key_file, "file");
}

TEST_F(Config, UnknownOnesAreNamedWithWhatWasMeant) {
  write("first/a.json", R"({"listn":"x:1"})");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("first/a.json: unknown setting listn"),
                               HasSubstr("did you mean listen?")));
  write("first/a.json", "{}");
  sources_.environment = {{"TIDEMARK_LOG_FROMAT", "json"}};
  EXPECT_THAT(refusal(), AllOf(HasSubstr("unknown setting TIDEMARK_LOG_FROMAT"),
                               HasSubstr("did you mean TIDEMARK_LOG_FORMAT?")));
}

TEST_F(Config, EverythingWrongIsToldAtOnce) {
  write("first/a.json", R"({"partitions":0,"log_format":"xml","listen":"nowhere"})");
  write("second/b.json", "{\n \"data\": }");
  write("second/c.json", R"({"data":["x"]})");
  write("second/d.json", "[]");
  const auto text = refusal();
  for (const auto* part : {"partitions must be a whole number from 1 to", "text or json",
                           "HOST:PORT", "line 2", "data must be a text", "must be a JSON object"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST_F(Config, EverySettingTakesWhatItShows) {
  const auto made = load();
  for (const auto& setting : all_settings()) {
    const auto shown = setting.show(made.settings);
    if (shown.empty()) continue;
    Settings again;
    EXPECT_EQ(setting.set(again, shown), "") << setting.name;
    EXPECT_EQ(setting.show(again), shown) << setting.name;
  }
}

TEST_F(Config, SecretsAreNotShown) {
  sources_.environment = {{"TIDEMARK_KEY", "le_live_abc"},
                          {"TIDEMARK_BOOTSTRAP_KEY", "le_live_def"}};
  const auto made = load();
  for (const auto* name : {"key", "bootstrap_key"}) {
    const auto* setting = find_setting(name);
    EXPECT_EQ(setting->secrecy, Setting::Secrecy::secret);
    EXPECT_EQ(setting->show(made.settings), "(secret)");
  }
}

TEST(Nearest, FindsWhatWasMeantAndNothingElse) {
  constexpr std::array<std::string_view, 4> names{"listen", "log_level", "data", "root_key"};
  EXPECT_EQ(nearest("lisen", names), "listen");
  EXPECT_EQ(nearest("log-level", names), "log_level");
  EXPECT_EQ(nearest("rootkey", names), "root_key");
  EXPECT_EQ(nearest("zzzz", names), "");
  EXPECT_EQ(nearest("x", names), "");
}

TEST(Version, IsTheProjects) {
  std::ifstream file(std::string(TEST_DATA) + "/../CMakeLists.txt");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(text, HasSubstr(fmt::format("project(tidemark VERSION {} ", version)));
}

}  // namespace
}  // namespace api
