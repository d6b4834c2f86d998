// Goal: the operating system's files do what file.h says. Method: each call in a directory of its
// own, and the errors that can be provoked.
#include "eventstore/file.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace eventstore {
namespace {

using schemas::ErrorCode;
using Bytes = std::vector<std::uint8_t>;

class PosixFiles : public testing::Test {
 protected:
  PosixFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "files-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~PosixFiles() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::unique_ptr<File> create(const std::string& name) {
    auto file = files_.open(path(name), FileSystem::Open::create_new);
    EXPECT_TRUE(file);
    return std::move(*file);
  }

  FileSystem& files_ = posix_files();
  std::string directory_;
};

TEST_F(PosixFiles, reads_what_was_written_from_cache_and_disk_at_any_place) {
  auto file = create("a");
  Bytes bytes(10'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  ASSERT_TRUE(write_all(*file, 100, bytes));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(file->size(), 10'100);
  for (const std::size_t at : {0u, 1u, 100u, 511u, 4095u, 4096u, 9'000u}) {
    Bytes cached(3000);
    Bytes direct(3000);
    const auto got = file->read(at, cached);
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, std::min<std::size_t>(3000, 10'100 - at));
    EXPECT_EQ(file->read_from_disk(at, direct), *got);
    EXPECT_EQ(cached, direct);
    EXPECT_EQ(cached[500], at + 500 < 100 ? 0 : bytes[at + 500 - 100]);
  }
  EXPECT_EQ(file->read(10'100, bytes), 0);
  EXPECT_EQ(file->read_from_disk(20'000, bytes), 0);
}

TEST_F(PosixFiles, resizes) {
  auto file = create("a");
  ASSERT_TRUE(file->resize(5000));
  EXPECT_EQ(file->size(), 5000);
  ASSERT_TRUE(file->resize(10));
  EXPECT_EQ(file->size(), 10);
}

TEST_F(PosixFiles, names_are_made_moved_listed_and_removed) {
  create("b");
  create("a");
  ASSERT_TRUE(files_.rename(path("b"), path("c")));
  ASSERT_TRUE(files_.make_directories(path("x/y")));
  ASSERT_TRUE(files_.sync_directory(directory_));
  const auto entries = files_.list(directory_);
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2) << "files only";
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[1].name, "c");
  EXPECT_TRUE(files_.remove(path("a")));
  EXPECT_EQ(files_.remove(path("a")).error().code, ErrorCode::not_found);
  EXPECT_FALSE(files_.open(path("c"), FileSystem::Open::create_new));
  const auto missing = files_.open(path("none"), FileSystem::Open::existing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

TEST_F(PosixFiles, a_lock_is_held_once_and_until_it_dies) {
  auto first = files_.lock(path("lock"));
  ASSERT_TRUE(first);
  EXPECT_EQ(files_.lock(path("lock")).error().code, ErrorCode::in_use);
  first->reset();
  EXPECT_TRUE(files_.lock(path("lock")));
}

TEST_F(PosixFiles, replaces_a_file_as_a_whole) {
  const Bytes old{1, 2, 3};
  const Bytes fresh{4, 5};
  ASSERT_TRUE(replace_whole(files_, path("a"), old));
  ASSERT_TRUE(replace_whole(files_, path("a"), fresh));
  EXPECT_EQ(read_whole(files_, path("a")), fresh);
  EXPECT_EQ(files_.list(directory_)->size(), 1);
}

TEST_F(PosixFiles, a_full_disk_has_its_own_error) {
  auto full = files_.open("/dev/full", FileSystem::Open::existing);
  if (!full) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(write_all(**full, 0, Bytes{1}).error().code, ErrorCode::disk_full);
}

}  // namespace
}  // namespace eventstore
