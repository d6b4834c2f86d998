#include <fmt/format.h>

#include "projections/fold.h"
#include "projections/projector.h"
#include "projections/row.h"
#include "schemas/crypto.h"

namespace projections {
namespace {

/// Newest recorded time that the rows reflect, from their positions.
Time newest_time(const RowReader& rows) {
  Time newest;
  rows.scan(positions_prefix(), prefix_end(positions_prefix()), [&](auto, std::string_view row) {
    newest = std::max(newest, decode_position(row).recorded);
    return true;
  });
  return newest;
}

/// Idempotency rows beyond their window leave when their log goes on, so they do not count.
bool expired(std::string_view row, Time newest) {
  std::uint64_t offset = 0;
  Time recorded;
  Decoder decoder(row);
  decoder(offset);
  decoder(recorded);
  return recorded + idempotency_window < newest;
}

}  // namespace

std::string state_hash(const RowReader& rows) {
  constexpr std::size_t table_at = 17;
  const auto newest = newest_time(rows);
  schemas::Digest chain{};
  auto mix = [&](std::string_view text) {
    chain = schemas::sha256(chain, schemas::bytes_of(text));
  };
  auto visit = [&](std::string_view key, std::string_view row) {
    if (key.starts_with(positions_prefix()) || key.starts_with(expiry_prefix())) return true;
    bool idempotency = key.size() > table_at && key[table_at] == 'I' && !key.starts_with("\xff");
    if (idempotency && expired(row, newest)) return true;
    mix(key);
    mix(row);
    return true;
  };
  rows.scan(std::string_view("", 0), prefix_end(positions_prefix()), visit);
  rows.scan(prefix_end(positions_prefix()), std::string(17, '\xff'), visit);
  return fmt::format("{:02x}", fmt::join(chain, ""));
}

}  // namespace projections
