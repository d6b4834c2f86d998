#pragma once

#include <optional>
#include <string_view>

#include "schemas/ids.h"

namespace webhooks {

/// When a `Retry-After` asks to be called again (RFC 9110 10.2.3): seconds from `now`, or an
/// HTTP-date in any of its three forms (5.6.7). What is neither gives nothing. A date may be over.
std::optional<schemas::Time> parse_retry_after(std::string_view header, schemas::Time now);

}  // namespace webhooks
