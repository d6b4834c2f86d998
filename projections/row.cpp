#include "projections/row.h"

#include "schemas/result.h"

namespace projections {

std::string_view Decoder::take(std::size_t size) {
  ENSURE(size <= in_.size());
  auto taken = in_.substr(0, size);
  in_.remove_prefix(size);
  return taken;
}

namespace {

enum class Left : std::uint8_t { state = 0, deleted = 1, trimmed = 2 };

}  // namespace

std::string encode_head(const RowHead& head) {
  std::string row;
  Encoder encoder(row);
  encoder(head.version);
  encoder(head.created_at);
  encoder(head.updated_at);
  encoder(head.offset);
  encoder(head.deleted ? Left::deleted : head.trimmed ? Left::trimmed : Left::state);
  return row;
}

RowHead decode_head(std::string_view row, std::string_view* state) {
  RowHead head;
  Decoder decoder(row);
  decoder(head.version);
  decoder(head.created_at);
  decoder(head.updated_at);
  decoder(head.offset);
  auto left = Left::state;
  decoder(left);
  head.deleted = left == Left::deleted;
  head.trimmed = left == Left::trimmed;
  if (state != nullptr) *state = decoder.rest();
  return head;
}

}  // namespace projections
