#include "schemas/marks.h"

#include <algorithm>

#include "schemas/signed_text.h"

namespace schemas {
namespace {

constexpr std::string_view prefix = "tm1_";
constexpr std::uint8_t format_version = 1;
constexpr std::size_t head_bytes = 5;

constexpr std::size_t text_bytes_max = 2048;
static_assert(
    prefix.size() +
        ((head_bytes + MarkCodec::positions_max * marked_position_bytes + tag_bytes) * 4 + 2) / 3 <=
    text_bytes_max);

bool strictly_ordered(std::span<const MarkedPosition> positions) {
  const auto not_before = [](const auto& a, const auto& b) { return a.log >= b.log; };
  return std::ranges::adjacent_find(positions, not_before) == positions.end();
}

}  // namespace

Check check_of(const Position& position) {
  Packer rest(8 + 8 + 8 + position.chain.size());
  rest.put(position.epoch.offset);
  rest.put(position.epoch.nonce);
  rest.put(position.sequence);
  rest.put(position.chain);
  const auto digest = sha256(rest.bytes());
  Check check;
  std::copy_n(digest.begin(), check.size(), check.begin());
  return check;
}

MarkedPosition marked(const Position& position) {
  return {position.log, position.offset, position.index, check_of(position)};
}

void pack(Packer& out, const MarkedPosition& position) {
  out.put(position.log.topic);
  out.put(position.log.partition);
  out.put(position.offset);
  out.put(position.index);
  out.put(position.check);
}

MarkedPosition unpack_marked_position(Unpacker& in) {
  const auto topic = in.get<TopicId>();
  const auto partition = in.get<std::uint16_t>();
  const auto offset = in.get<std::int64_t>();
  const auto index = in.get<std::uint32_t>();
  return {{topic, partition}, offset, index, in.get_array<8>()};
}

MarkCodec::MarkCodec(std::uint32_t key_id, HmacKey key) : key_id_(key_id), key_(key) {}

std::string MarkCodec::encode(OrganizationId organization, Space space,
                              std::span<const MarkedPosition> positions) const {
  ENSURE(positions.size() <= positions_max);
  std::vector<MarkedPosition> sorted(positions.begin(), positions.end());
  std::ranges::sort(sorted, {}, &MarkedPosition::log);
  ENSURE(strictly_ordered(sorted));
  Packer body(head_bytes + sorted.size() * marked_position_bytes);
  body.put(format_version);
  body.put(key_id_);
  for (const auto& position : sorted) pack(body, position);
  return sign_text(key_, {prefix, organization, space}, body.bytes());
}

Result<std::vector<MarkedPosition>> MarkCodec::decode(OrganizationId organization, Space space,
                                                      std::string_view text) const {
  const auto foreign = [] {
    return fail(ErrorCode::foreign_mark,
                "the mark was not written by this log for this organization and space");
  };
  if (text.size() > text_bytes_max) return foreign();
  const auto body = open_text(key_, {prefix, organization, space}, text);
  if (!body) return foreign();
  Unpacker in(*body);
  if (in.get<std::uint8_t>() != format_version) return foreign();
  if (in.get<std::uint32_t>() != key_id_) return foreign();
  if (!in.ok() || in.rest().size() % marked_position_bytes != 0) return foreign();
  std::vector<MarkedPosition> positions;
  positions.reserve(in.rest().size() / marked_position_bytes);
  while (!in.rest().empty()) positions.push_back(unpack_marked_position(in));
  if (!strictly_ordered(positions)) return foreign();
  return positions;
}

}  // namespace schemas
