#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/resources/ask.h"
#include "api/resources/operation.h"
#include "projections/declared_indexes.h"
#include "projections/reader.h"

/// Lists of declared kinds, and their filters by declared indexes: `?/commit=9f3a`.
namespace api::resources {

Answer list_rows(Ask& ask);
Answer list_integrations(Ask& ask);

/// What the newest manifest says of a kind that a list has to know.
struct DeclaredKind {
  /// By which its lists are filtered, of one pointer each.
  std::vector<projections::Index> filters;
  std::string project;  // a pointer, or empty
};
/// Empty when the product declares no such kind.
std::optional<DeclaredKind> declared_kind(const Ask& ask, std::string_view product,
                                          std::string_view kind);

/// With its sealed values opened; where one does not open nothing is written.
Result<void> render_row(const Ask& ask, const Place& place, std::string_view kind,
                        const projections::FoundRow& found, std::string& out);

}  // namespace api::resources
