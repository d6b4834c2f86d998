#include "eventstore/log.h"

namespace eventstore {

schemas::Result<StoredRecord> Log::read_one(LogId log, Offset offset) {
  const auto place = reader(log);
  auto record = place->read(offset);
  if (record) record->payload = Payload::copy(record->payload.bytes());
  return record;
}

}  // namespace eventstore
