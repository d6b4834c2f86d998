#pragma once

#include <string>

#include "api/cli/journal_scan.h"

namespace api::cli {

/// A record as a few lines for people: place, verdict, then an event each.
std::string record_text(const ScannedRecord& record);
/// The same as one line of JSON; events as the API shows them, without marks.
std::string record_json(const ScannedRecord& record);

}  // namespace api::cli
