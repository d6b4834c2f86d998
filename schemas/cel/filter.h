#pragma once

#include <string>
#include <string_view>

#include "schemas/cel/program.h"
#include "schemas/json.h"

namespace schemas::cel {

/// What one event may cost a filter.
inline constexpr Limits filter_limits{.steps = 10'000, .bytes = std::size_t{64} << 10};

/// A condition over `event`, the CloudEvent as its readers see it:
///
///   event.type.startsWith('project.') && event.data.name != event.data.slug
///
/// Immutable; any thread may ask.
class Filter {
 public:
  static Result<Filter> compile(std::string_view source);

  /// Whether it comes to true. An error, of a field that an event does not have for one, is not.
  bool matches(json::Value event, Memory& memory) const;

  const std::string& source() const { return source_; }

 private:
  Filter(std::string source, Program program)
      : source_(std::move(source)), program_(std::move(program)) {}

  std::string source_;
  Program program_;
};

}  // namespace schemas::cel
