#include "webhooks/event_source.h"

#include <utility>

namespace webhooks {

bool EventSource::feed(std::string_view piece, const Take& take) {
  for (const char c : piece) {
    const bool goes_on_return = std::exchange(after_return_, c == '\r') && c == '\n';
    if (goes_on_return) continue;
    if (c != '\n' && c != '\r') {
      line_.push_back(c);
    } else if (!end_line(take)) {
      return false;
    }
  }
  return true;
}

bool EventSource::end_line(const Take& take) {
  const auto line = std::exchange(line_, {});
  if (line.empty()) {
    auto event = std::exchange(event_, Event{.name = {}, .data = {}, .id = event_.id});
    return !std::exchange(has_data_, false) || take(event);
  }
  const auto colon = line.find(':');
  const auto field = std::string_view(line).substr(0, colon);
  auto value = colon == line.npos ? std::string_view() : std::string_view(line).substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.name = value;
  if (field == "id" && !value.contains('\0')) event_.id = value;
  if (field == "data") {
    if (std::exchange(has_data_, true)) event_.data += '\n';
    event_.data += value;
  }
  return true;
}

}  // namespace webhooks
