#include <unordered_map>

#include <fmt/format.h>

#include "projections/fold.h"
#include "projections/projector.h"
#include "projections/row.h"
#include "schemas/crypto.h"

namespace projections {
namespace {

using Times = std::unordered_map<LogId, Time>;

/// Newest recorded time that the rows reflect of each log, from their positions.
Times newest_times(const RowReader& rows) {
  Times newest;
  rows.scan(positions_prefix(), prefix_end(positions_prefix()),
            [&](std::string_view key, std::string_view row) {
              newest[parse_position_key(key)] = decode_position(row).recorded;
              return true;
            });
  return newest;
}

/// Idempotency rows beyond their window leave when their log goes on, so they do not count.
bool expired(TopicId topic, std::string_view row, const Times& newest) {
  const auto answer = decode_first_answer(row);
  const auto found = newest.find({topic, answer.partition});
  return found != newest.end() && answer.recorded + idempotency_window < found->second;
}

}  // namespace

std::string state_hash(const RowReader& rows) {
  constexpr std::size_t table_at = 17;
  const auto newest = newest_times(rows);
  schemas::Digest chain{};
  auto mix = [&](std::string_view text) {
    chain = schemas::sha256(chain, schemas::bytes_of(text));
  };
  auto visit = [&](std::string_view key, std::string_view row) {
    if (key.starts_with(positions_prefix()) || key.starts_with(expiry_prefix()) ||
        key.starts_with(builds_prefix())) {
      return true;
    }
    bool idempotency = key.size() > table_at && key[table_at] == 'I' && !key.starts_with("\xff");
    if (idempotency && expired(parse_idempotency_topic(key), row, newest)) return true;
    mix(key);
    mix(row);
    return true;
  };
  rows.scan("", prefix_end(positions_prefix()), visit);
  rows.scan(prefix_end(positions_prefix()), std::string(17, '\xff'), visit);
  return fmt::format("{:02x}", fmt::join(chain, ""));
}

}  // namespace projections
