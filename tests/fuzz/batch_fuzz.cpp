// Any bytes as a batch and as a control: what the verifier lets pass can be read to its last field
// and folded into rows, or is refused by the fold; nothing may crash.

#include <vector>

#include "projections/fold.h"
#include "projections/memory_store.h"
#include "projections/reader.h"
#include "schemas/controls.h"
#include "schemas/result.h"
#include "tests/schemas/event_texts.h"

namespace {

using namespace schemas;

constexpr LogId log{TopicId{1}, 0};

void check_batch(std::span<const std::uint8_t> bytes) {
  const auto batch = BatchView::verify(bytes);
  if (!batch) return;
  ENSURE(!shown(*batch).empty());
  projections::MemoryStore rows;
  projections::WriteSet changes;
  const auto folded = projections::fold(rows, {log, 7, *batch}, changes);
  ENSURE(folded.has_value() != changes.empty());
  if (!folded) return;
  ENSURE(rows.write(changes).has_value());
  const projections::Reader reader(rows, batch->organization(), batch->space());
  for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
    const auto event = batch->event(i);
    ENSURE(reader.existence(log.topic, event.kind(), event.entity()).version >= event.version());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // FlatBuffers want 8-byte alignment; memory that ends where the input ends shows what reads on.
  const std::vector<std::uint8_t> bytes(data, data + size);
  check_batch(bytes);
  if (const auto control = read_control(bytes)) ENSURE(!shown(*control).empty());
  return 0;
}
