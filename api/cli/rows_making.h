#pragma once

#include <string>
#include <vector>

#include "api/cli/command.h"
#include "api/rows_directory.h"
#include "projections/projector.h"

/// What `tidemark projections` makes of a log.
namespace api::cli {

struct Folded {
  std::string hash;
  projections::Projector::CaughtUp counts;
  std::size_t frozen = 0;
  double seconds = 0;
};

/// Folds what the rows lack; no server may be running.
Step<Folded> catch_up_rows(const SettingFlags& flags);
/// Folds all of it into rows beside those that are there, puts them in their place, and waits until
/// a running server has taken them over.
Step<Folded> rebuild_rows(const SettingFlags& flags);

struct ListedRows {
  std::string name;
  std::uint64_t size_bytes;
  std::string state;  // for people
};
std::vector<ListedRows> listed(const RowsDirectory& directory);

}  // namespace api::cli
