#include "schemas/months.h"

#include <fmt/format.h>

namespace schemas {

std::string to_text(Month month) {
  return fmt::format("{:04}-{:02}", static_cast<int>(month.year()),
                     static_cast<unsigned>(month.month()));
}

std::optional<Month> parse_month(std::string_view text) {
  if (text.size() != 7 || text[4] != '-') return std::nullopt;
  int year = 0;
  unsigned month = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 4) continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(text[i] - '0');
    if (i < 4) {
      year = year * 10 + static_cast<int>(digit);
    } else {
      month = month * 10 + digit;
    }
  }
  const Month parsed = std::chrono::year(year) / std::chrono::month(month);
  return parsed.ok() && year > 0 ? std::optional(parsed) : std::nullopt;
}

}  // namespace schemas
