// Goal: lines come out as they went in, compressed or not, from a file or through a pipe, and a
// file that is cut off or damaged is told. Method: files made by the test.
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/cli/input.h"
#include "api/cli/resume_file.h"

namespace api::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Lines = std::vector<std::string>;

/// By the program of that name.
std::string compressed(const std::string& text) {
  const auto path = fmt::format("{}/compressed_{}", testing::TempDir(), ::getpid());
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(std::system(fmt::format("zstd -q -f --rm {0} -o {0}.zst", path).c_str()), 0);
  std::ifstream file(path + ".zst", std::ios::binary);
  std::string out((std::istreambuf_iterator<char>(file)), {});
  std::filesystem::remove(path + ".zst");
  return out;
}

class Input : public testing::Test {
 protected:
  ~Input() override { std::filesystem::remove(path_); }

  void write(std::string_view bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  /// All lines; `fault_` says what stopped it.
  Lines read() {
    auto input = LineInput::open(path_);
    Lines lines;
    if (!input) {
      fault_ = input.error().detail;
      return lines;
    }
    for (;;) {
      while (auto line = input->next()) {
        EXPECT_EQ(line->number, lines.size() + 1);
        lines.emplace_back(line->text);
      }
      if (input->ended()) return lines;
      if (auto more = input->fill(); !more) {
        fault_ = more.error().detail;
        return lines;
      }
    }
  }

  const std::string path_ = fmt::format("{}/input_{}", testing::TempDir(), ::getpid());
  std::string fault_;
};

TEST_F(Input, Lines) {
  write("a\n\nb\r\nlast");
  EXPECT_THAT(read(), ElementsAre("a", "", "b", "last"));
  write("a\n");
  EXPECT_THAT(read(), ElementsAre("a"));
  write("");
  EXPECT_THAT(read(), ElementsAre());
  write("x");
  EXPECT_THAT(read(), ElementsAre("x"));
}

TEST_F(Input, ManyLinesCompressed) {
  Lines lines;
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    lines.push_back(fmt::format("{{\"line\":{},\"x\":\"{}\"}}", i, i * 7919 % 10007));
    text += lines.back() + "\n";
  }
  write(compressed(text));
  EXPECT_EQ(read(), lines);
  // Frames behind each other are one text.
  write(compressed(text.substr(0, 1000)) + compressed(text.substr(1000)));
  EXPECT_EQ(read(), lines);
  EXPECT_EQ(fault_, "");
}

TEST_F(Input, ALongLine) {
  const std::string line(3'000'000, 'x');
  write(line + "\n" + line);
  EXPECT_EQ(read(), (Lines{line, line}));
}

TEST_F(Input, FaultsAreTold) {
  auto whole = compressed("a\nb\n" + std::string(100'000, 'c') + "\n");
  write(std::string_view(whole).substr(0, whole.size() - 3));
  read();
  EXPECT_THAT(fault_, HasSubstr("is cut off in the middle"));
  whole[6] = static_cast<char>(~whole[6]);
  whole.resize(12);
  write(whole + std::string(100, '\xff'));
  read();
  EXPECT_THAT(fault_, HasSubstr("is damaged"));
  std::filesystem::remove(path_);
  read();
  EXPECT_THAT(fault_, HasSubstr("No such file"));
}

TEST_F(Input, KnowsHowFarItIs) {
  write(std::string(300'000, '\n'));
  auto input = LineInput::open(path_);
  EXPECT_FALSE(input->may_wait());
  EXPECT_EQ(input->fraction(), 0.0);
  ASSERT_TRUE(input->fill());
  EXPECT_GT(*input->fraction(), 0.1);
  EXPECT_LT(*input->fraction(), 0.2);
}

TEST_F(Input, APipeMayWait) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int writer = ::open(path_.c_str(), O_RDWR);
  auto input = LineInput::open(path_);
  ASSERT_TRUE(input);
  EXPECT_TRUE(input->may_wait());
  EXPECT_FALSE(input->fraction());
  ASSERT_EQ(::write(writer, "{}\n{", 4), 4);
  ASSERT_TRUE(input->fill());
  EXPECT_EQ(input->next()->text, "{}");
  EXPECT_FALSE(input->next());
  ASSERT_EQ(::write(writer, "}\n", 2), 2);
  ASSERT_TRUE(input->fill());
  EXPECT_EQ(input->next()->text, "{}");
  ::close(writer);
}

TEST_F(Input, ResumeFiles) {
  const ResumeFile file(path_);
  EXPECT_EQ(file.read()->line, 0u);
  const ResumeFile::Note note{17, ResumeFile::check_of("a line")};
  ASSERT_TRUE(file.write(note));
  EXPECT_EQ(file.read()->line, 17u);
  EXPECT_EQ(file.read()->check, note.check);
  EXPECT_NE(note.check, ResumeFile::check_of("another line"));
  for (const auto* text :
       {"", "{}", "[1]", R"({"line":-1,"check":1})", R"({"line":1,"check":4294967296})"}) {
    write(text);
    EXPECT_THAT(file.read().error().detail, HasSubstr("remove it to begin anew")) << text;
  }
}

}  // namespace
}  // namespace api::cli
