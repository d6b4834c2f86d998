// Any damage to a journal's files: it opens or says why not, reading ends, what was read once is
// read again after the next opening, and a journal that says it can be written takes a record and
// keeps it. The input is a list of edits to a small journal of several segments. Forged frames have
// right CRCs and may contradict each other: for them only crashes count.

#include <algorithm>
#include <cstring>
#include <map>

#include "eventstore/journal.h"
#include "schemas/crypto.h"
#include "tests/support/fault_file.h"
#include "tests/support/log_fixture.h"

namespace {

using namespace eventstore;

constexpr TopicId topic{1};
constexpr std::uint16_t partition_count = 4;

/// Takes numbers off the front of the input; zeros when it is used up.
class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  template <typename T>
  T take() {
    T value{};
    const auto size = std::min(sizeof value, rest_.size());
    std::memcpy(&value, rest_.data(), size);
    rest_ = rest_.subspan(size);
    return value;
  }
  Bytes take_bytes(std::size_t size) {
    const auto taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  Bytes rest_;
};

JournalOptions options(FaultDisk& disk) {
  return {.directory = "/data",
          .files = &disk,
          .drive = JournalOptions::Drive::pump,
          .first_segment_size = 8 * 1024,
          .segment_size_max = 8 * 1024};
}

FaultDisk::Image make_journal(FaultDisk& disk) {
  Witness witness;
  auto journal = Journal::open(options(disk), witness);
  ENSURE(journal);
  ENSURE((*journal)->open_topic({topic, "fuzz", partition_count}));
  std::vector<PartitionWriter> writers;
  for (std::uint16_t i = 0; i < partition_count; ++i) writers.emplace_back(LogId{topic, i});
  for (int i = 0; i < 40; ++i) {
    std::vector<Append> records;
    auto& writer = writers[static_cast<std::size_t>(i) % 3];
    records.push_back(i < 3 ? writer.claim(7) : writer.events(std::string(i * 9 % 150, 'x')));
    (*journal)->append(std::move(records));
    (*journal)->pump();
  }
  journal->reset();
  return disk.image();
}

void forge_frame(std::vector<std::uint8_t>& file, std::size_t at, Input& input) {
  const auto header = journal::decode_segment_header(file);
  if (!header || at < journal::segment_header_size) return;
  const auto payload = input.take_bytes(input.take<std::uint8_t>());
  journal::Frame frame{};
  frame.position =
      header->base + at - journal::segment_header_size + 8 * (input.take<std::uint8_t>() / 250);
  frame.offset = input.take<std::uint16_t>();
  frame.durable_end =
      frame.position - std::min<std::uint64_t>(frame.position, 8 * input.take<std::uint16_t>());
  const auto kind = input.take<std::uint8_t>();
  frame.log = {kind < 128 ? topic : journal::own_topic, static_cast<std::uint16_t>(kind % 8)};
  frame.open_count = input.take<std::uint8_t>();
  frame.head = {.length = static_cast<std::uint32_t>(payload.size()),
                .kind = static_cast<RecordKind>(1 + input.take<std::uint8_t>() % 4),
                .epoch = {input.take<std::int8_t>(), input.take<std::uint8_t>()},
                .sequence = input.take<std::uint8_t>(),
                .payload_crc = schemas::crc32c(payload)};
  std::array<std::uint8_t, journal::frame_size> bytes;
  encode(frame, journal::crc_seed(header->id), bytes);
  if (file.size() < at + frame.size_bytes()) return;
  std::ranges::copy(bytes, file.begin() + static_cast<long>(at));
  std::ranges::copy(payload, file.begin() + static_cast<long>(at + journal::frame_size));
}

/// Whether it was an accident, not a forgery.
bool edit(FaultDisk& disk, Input& input) {
  const auto paths = disk.paths();
  if (paths.empty()) return true;
  const auto kind = input.take<std::uint8_t>() % 7;
  const auto path = paths[input.take<std::uint8_t>() % paths.size()];
  auto bytes = disk.contents(path);
  if (bytes.empty()) return true;
  const std::size_t at = input.take<std::uint16_t>() % bytes.size();
  const std::size_t length = std::min<std::size_t>(input.take<std::uint16_t>(), bytes.size() - at);
  const auto begin = bytes.begin() + static_cast<long>(at);
  if (kind == 0) bytes[at] ^= input.take<std::uint8_t>();
  if (kind == 1) std::fill_n(begin, length, 0);
  if (kind == 2)
    std::fill_n(bytes.begin() + static_cast<long>(at / 512 * 512),
                std::min<std::size_t>(512, bytes.size() - at / 512 * 512), 0);
  if (kind == 3) bytes.resize(at);
  if (kind == 4) forge_frame(bytes, at / 8 * 8, input);
  if (kind == 5) {
    const std::vector<std::uint8_t> copied(begin, begin + static_cast<long>(length));
    const std::size_t to = input.take<std::uint16_t>() % bytes.size();
    std::copy_n(copied.begin(), std::min(length, bytes.size() - to),
                bytes.begin() + static_cast<long>(to));
  }
  if (kind == 6) {
    (void)disk.remove(path);
    return true;
  }
  disk.set_contents(path, std::move(bytes));
  return kind != 4;
}

using Read = std::map<LogId, std::vector<std::vector<std::uint8_t>>>;

Read read_everything(Journal& journal) {
  Read read;
  std::map<LogId, Offset> next;
  std::vector<ReadFrom> from;
  for (std::uint16_t i = 0; i < 8; ++i) from.push_back({{topic, i}, 0});
  auto cursor = journal.read(from);
  if (!cursor) return read;
  for (int errors = 0; errors < 16;) {
    auto record = (*cursor)->next();
    if (!record) {
      ++errors;
      if (!(*cursor)->stopped()) break;
      continue;
    }
    if (!*record) break;
    const auto& got = **record;
    const auto payload = got.payload.bytes();
    ENSURE(got.head.payload_matches(payload));
    ENSURE(got.after_loss || got.offset == next[got.log]);
    next[got.log] = got.offset + 1;
    read[got.log].emplace_back(payload.begin(), payload.end());
    (void)journal.read_one(got.log, got.offset);
  }
  return read;
}

/// Opens, reads, writes where that is allowed, and ends as if killed.
std::optional<Read> use(FaultDisk& disk) {
  Witness witness;
  auto opened = Journal::open(options(disk), witness);
  if (!opened) return std::nullopt;
  auto& journal = **opened;
  ENSURE(journal.open_topic({topic, "fuzz", partition_count}) || true);
  auto read = read_everything(journal);
  if (journal.read_only()) return read;
  const LogId log{topic, 0};
  PartitionWriter writer(log, journal.state(log));
  std::vector<Append> records;
  records.push_back(writer.noop("still writable"));
  journal.append(std::move(records));
  journal.pump();
  ENSURE(witness.records().size() + witness.failures().size() == 1);
  if (!witness.records().empty()) read = read_everything(journal);
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static FaultDisk disk;
  static const auto image = make_journal(disk);
  disk.restore(image);
  Input input({data, size});
  bool accident = true;
  for (int edits = 0; edits < 20 && !input.empty(); ++edits) accident &= edit(disk, input);
  const auto first = use(disk);
  const auto second = use(disk);
  if (!first || !accident) return 0;
  ENSURE(second);
  for (const auto& [log, records] : *first) {
    const auto again = second->find(log);
    ENSURE(again != second->end() && again->second.size() >= records.size());
    ENSURE(std::equal(records.begin(), records.end(), again->second.begin()));
  }
  return 0;
}
