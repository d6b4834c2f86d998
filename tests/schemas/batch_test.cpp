// Goal: what is written into a batch or a control is what is read from it; damaged bytes are
// refused or read as something, but never beyond themselves; a future event reads as unknown; bytes
// that a release wrote are read for ever. Method: round trips over every event type, every
// single-bit flip and every length of them (in memory that ends where they end: run it under the
// address sanitizer), and golden files.

#include "schemas/batch.h"

#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "tests/schemas/event_texts.h"
#include "tests/schemas/samples.h"

namespace schemas {
namespace {

/// The bytes in memory of their own, 8-byte aligned, that ends where they end.
class Exactly {
 public:
  explicit Exactly(std::span<const std::uint8_t> bytes)
      : memory_(new std::uint8_t[bytes.size()]), size_(bytes.size()) {
    std::ranges::copy(bytes, memory_.get());
  }
  std::span<std::uint8_t> bytes() { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t size_;
};

/// Reads all that `bytes` let one read.
void touch_batch(std::span<const std::uint8_t> bytes) {
  if (auto batch = BatchView::verify(bytes)) EXPECT_FALSE(shown(*batch).empty());
}
void touch_control(std::span<const std::uint8_t> bytes) {
  if (auto control = read_control(bytes)) EXPECT_FALSE(shown(*control).empty());
}

template <typename Touch>
void damage(std::span<const std::uint8_t> whole, Touch touch) {
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Exactly part(whole.first(size));
    touch(part.bytes());
  }
  Exactly copy(whole);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    copy.bytes()[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    touch(copy.bytes());
    copy.bytes()[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    const auto before = copy.bytes()[at];
    for (int value : {0x00, 0x04, 0x7f, 0x80, 0xc8, 0xff}) {
      copy.bytes()[at] = static_cast<std::uint8_t>(value);
      touch(copy.bytes());
    }
    copy.bytes()[at] = before;
  }
}

TEST(Batch, WhatIsWrittenIsRead) {
  for (const auto& sample : sample_batches()) {
    auto built = build_batch(sample.head, sample.events);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(built.bytes.data()) % 8, 0u);
    auto batch = BatchView::verify(built.bytes);
    ASSERT_TRUE(batch) << sample.name;
    EXPECT_EQ(shown(*batch), shown(sample.head, sample.events)) << sample.name;
    EXPECT_EQ(shown(BatchView::trusted(built.bytes)), shown(*batch)) << sample.name;
  }
}

TEST(Batch, TextsMayHoldAnyBytesAndAbsentIsNotEmpty) {
  using namespace std::string_view_literals;
  const auto odd = "\x01\0 /\xff\xc3\xa4"sv;
  const auto head = plain_head();
  for (const EventData& data : std::initializer_list<EventData>{
           ProjectChanged{odd, std::nullopt}, ProjectChanged{std::nullopt, ""sv},
           ProjectChanged{""sv, odd}, OrganizationChanged{}, OrganizationChanged{odd, ""sv},
           Json{odd, Fold::merge, {7, UINT32_MAX}}, Json{"", Fold::remove}, ProductDeclared{odd},
           KeyCreated{.name = odd, .credential = {}},
           KeyCreated{.permissions = {"", odd},
                      .projects = std::vector<std::string_view>{},
                      .credential = {odd, odd}}}) {
    const EventDraft draft{.id = EventId(id_of(9)),
                           .type = odd,
                           .kind = "k",
                           .entity = {{}, std::string(odd)},
                           .version = Version{UINT64_MAX},
                           .occurred = Time{std::chrono::milliseconds{-5}},
                           .schema = UINT32_MAX,
                           .data = data};
    auto built = build_batch(head, {&draft, 1});
    auto batch = BatchView::verify(built.bytes);
    ASSERT_TRUE(batch);
    EXPECT_EQ(shown(*batch), shown(head, {&draft, 1}));
  }
}

TEST(Batch, TenThousandEventsOfTheBiggestTypeVerify) {
  auto head = plain_head();
  const auto sample = sample_event(
      KeyCreated{.name = "n", .permissions = {"a", "b"}, .credential = {"digest", "hint"}});
  std::vector<EventDraft> drafts(10'000, sample);
  auto built = build_batch(head, drafts);
  auto batch = BatchView::verify(built.bytes);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->event_count(), 10'000u);
}

TEST(Batch, DamagedBytesNeverReadBeyondThemselves) {
  for (const auto& sample : sample_batches()) {
    damage(build_batch(sample.head, sample.events).bytes, touch_batch);
  }
}

TEST(Batch, NoiseNeverReadsBeyondItself) {
  std::mt19937 random(7);
  const auto samples = sample_batches();
  for (int round = 0; round < 5'000; ++round) {
    const auto& sample = samples[random() % samples.size()];
    Exactly copy(build_batch(sample.head, sample.events).bytes);
    for (auto changes = 1 + random() % 6; changes > 0; --changes) {
      copy.bytes()[random() % copy.bytes().size()] = static_cast<std::uint8_t>(random());
    }
    touch_batch(copy.bytes());
  }
}

TEST(Batch, ForeignBytesAreNoBatch) {
  EXPECT_FALSE(BatchView::verify({}));
  EXPECT_FALSE(BatchView::verify(build_control(Claim{1, "p"}).bytes)) << "another file identifier";
  EXPECT_FALSE(read_control(build_batch(plain_head(), {}).bytes));
}

TEST(Batch, ABatchWithoutItsOrganizationIsNotThePlatforms) {
  // Without the field the view would answer sixteen zero bytes, and those are org_platform.
  const auto event = sample_event(ProjectArchived{});
  auto built = build_batch(plain_head(), {&event, 1});
  std::size_t anonymous = 0;
  for (std::size_t at = 0; at < built.bytes.size(); ++at) {
    Exactly copy(built.bytes);
    copy.bytes()[at] = 0;
    auto batch = BatchView::verify(copy.bytes());
    if (batch && batch->organization() == platform_organization) ++anonymous;
  }
  EXPECT_EQ(anonymous, 0u);
}

TEST(Batch, AMemberThatOnlyANewerVersionKnowsVerifiesAndReadsAsUnknown) {
  const auto sample = sample_event(Json{"{}"});
  auto built = build_batch(plain_head(), {&sample, 1});
  int found = 0;
  for (std::size_t at = 0; at < built.bytes.size(); ++at) {
    Exactly copy(built.bytes);
    copy.bytes()[at] = 200;
    auto batch = BatchView::verify(copy.bytes());
    if (!batch || !std::holds_alternative<UnknownEvent>(batch->event(0).data())) continue;
    if (batch->event(0).type() == sample.type && batch->event(0).id() == sample.id) ++found;
  }
  EXPECT_EQ(found, 1) << "exactly the byte that says which member it is";
}

// ---- controls ----

TEST(Control, WhatIsWrittenIsRead) {
  for (const auto& [name, control] : sample_controls()) {
    auto built = build_control(control);
    auto read = read_control(built.bytes);
    ASSERT_TRUE(read) << name;
    EXPECT_EQ(shown(*read), shown(control));
  }
}

TEST(Control, DamagedBytesNeverReadBeyondThemselves) {
  for (const auto& [name, control] : sample_controls()) {
    damage(build_control(control).bytes, touch_control);
  }
}

// ---- golden bytes ----

std::filesystem::path golden(std::string_view file) {
  return std::filesystem::path(TEST_DATA) / "schemas" / "golden" / "1" / file;
}

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// With TIDEMARK_WRITE_GOLDEN set, files that are not there yet are made (see golden/README.md).
void write_missing(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  if (std::getenv("TIDEMARK_WRITE_GOLDEN") == nullptr || std::filesystem::exists(path)) return;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

TEST(Golden, BatchesOfTheFirstReleaseReadAsTheyWereWritten) {
  for (const auto& sample : sample_batches()) {
    const auto path = golden(sample.name + ".bin");
    write_missing(path, build_batch(sample.head, sample.events).bytes);
    Exactly bytes(read_file(path));
    auto batch = BatchView::verify(bytes.bytes());
    ASSERT_TRUE(batch) << path;
    EXPECT_EQ(shown(*batch), shown(sample.head, sample.events)) << path;
  }
}

TEST(Golden, ControlsOfTheFirstReleaseReadAsTheyWereWritten) {
  for (const auto& [name, control] : sample_controls()) {
    const auto path = golden("control-" + name + ".bin");
    write_missing(path, build_control(control).bytes);
    Exactly bytes(read_file(path));
    auto read = read_control(bytes.bytes());
    ASSERT_TRUE(read) << path;
    EXPECT_EQ(shown(*read), shown(control)) << path;
  }
}

TEST(Golden, EveryFileHasASampleThatSaysWhatItHolds) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden(""))) {
    files += entry.path().extension() == ".bin" ? 1 : 0;
  }
  EXPECT_EQ(files, sample_batches().size() + sample_controls().size());
}

}  // namespace
}  // namespace schemas
