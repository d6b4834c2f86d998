#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/resources/ask.h"
#include "api/resources/feed.h"

/// Places and ranges among an organization's events, as requests name them.
namespace api::resources {

/// Two marks that name every topic.
struct Range {
  std::string from;
  std::string to;
};
/// Each is beginning, now, a mark of the caller's own or a time. May block.
Result<Range> find_range(const Ask& ask, std::string_view from, std::string_view to);

/// Those of these texts that are marks.
std::vector<MarkedPosition> marks_in(const Ask& ask, std::string_view from, std::string_view to);

/// When the newest event that a mark has passed was accepted.
std::optional<schemas::Time> time_at(const Ask& ask, const Feed& feed, std::string_view mark);

}  // namespace api::resources
