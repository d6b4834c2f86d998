#pragma once

#include <string>
#include <string_view>

#include "eventstore/sealing.h"
#include "schemas/batch.h"
#include "schemas/result.h"

namespace api::resources {

/// Appends an event as the CloudEvents 1.0 JSON that every route shows: lists, streams, an entity's
/// own events. `product` is the event's, `mark` is the place behind it, empty when
/// nobody can give one. Sealed values are opened; without `sealing` they are shown as they are
/// stored. Where one does not open nothing is appended.
schemas::Result<void> append_event(std::string& out, const schemas::BatchView& batch,
                                   std::uint32_t index, std::string_view product,
                                   std::string_view mark, eventstore::Sealing* sealing);

}  // namespace api::resources
