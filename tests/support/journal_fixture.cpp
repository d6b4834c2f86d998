#include "tests/support/journal_fixture.h"

#include <algorithm>
#include <cstring>

#include "schemas/crypto.h"

namespace eventstore {

void JournalFixture::open() {
  auto opened = try_open();
  ASSERT_TRUE(opened) << opened.error().detail;
}

schemas::Result<void> JournalFixture::try_open() {
  journal_.reset();
  witness_ = std::make_unique<Witness>();
  auto journal = Journal::open(options_, *witness_);
  if (!journal) return schemas::fail(std::move(journal).error());
  journal_ = std::move(*journal);
  auto topic = journal_->open_topic({log.topic, "test", 4});
  if (!topic) return topic;
  writers_.clear();
  for (std::uint16_t i = 0; i < 4; ++i) {
    const LogId id{log.topic, i};
    writers_.emplace(id, PartitionWriter(id, journal_->state(id)));
  }
  return {};
}

void JournalFixture::kill() {
  journal_.reset();
}

void JournalFixture::kill_and_cut_power() {
  kill();
  disk_.cut_power();
}

void JournalFixture::close() {
  if (journal_) journal_->close();
  journal_.reset();
}

bool JournalFixture::write(const Texts& texts, LogId id) {
  auto& writer = writers_.at(id);
  const auto before = witness_->records().size();
  std::vector<Append> records;
  for (const auto& text : texts) records.push_back(writer.noop(text));
  journal_->append(std::move(records));
  journal_->pump();
  if (witness_->records().size() == before + texts.size()) return true;
  writer.set_state(journal_->state(id));
  return false;
}

JournalFixture::Texts JournalFixture::texts(LogId id) {
  auto found = read(id);
  EXPECT_EQ(found.error, "");
  return found.texts;
}

JournalFixture::Read JournalFixture::read(LogId id) {
  auto cursor = journal_->read({{id, 0}});
  if (!cursor) return {{}, cursor.error().detail};
  return read_through(**cursor);
}

JournalFixture::Read JournalFixture::read_through(Cursor& cursor) {
  Read read;
  while (true) {
    auto record = cursor.next();
    if (!record) {
      read.error = record.error().detail;
      return read;
    }
    if (!*record) return read;
    read.texts.push_back(text_of_payload(**record));
  }
}

std::string JournalFixture::segment(std::uint64_t base) const {
  return "/data/journal/permanent/" + journal::segment_name(base);
}

std::vector<std::string> JournalFixture::segments() const {
  std::vector<std::string> segments;
  for (auto& path : disk_.paths()) {
    if (path.starts_with("/data/journal/permanent/0")) segments.push_back(path);
  }
  return segments;
}

std::vector<JournalFixture::Place> JournalFixture::places(const std::string& path) const {
  const auto bytes = disk_.contents(path);
  const auto header = journal::decode_segment_header(bytes);
  std::vector<Place> places;
  if (!header) return places;
  const auto seed = journal::crc_seed(header->id);
  for (std::size_t at = journal::segment_header_size; at + journal::frame_size <= bytes.size();) {
    const auto frame =
        journal::decode_frame(std::span(bytes).subspan(at).first<journal::frame_size>(), seed);
    if (!frame || frame->position != header->base + at - journal::segment_header_size) break;
    places.push_back({at, *frame});
    at += frame->size_bytes();
  }
  return places;
}

}  // namespace eventstore
