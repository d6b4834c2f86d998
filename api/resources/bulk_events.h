#pragma once

#include "api/resources/ask.h"

namespace api::resources {

/// POST /v2/products/{product}/events as application/x-ndjson: each line is a batch and a record of
/// its own, in order; each is answered by a line as it becomes durable. Lines are submitted without
/// waiting for those before them, a bounded number at a time; the first refusal ends it, and
/// nothing behind that is written.
/// An Idempotency-Key of the request stands for one of each line that has none. Takes the request
/// out of `ask`.
Response bulk_answer(Ask& ask, const Place& place);

}  // namespace api::resources
