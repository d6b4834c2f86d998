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
  /// Pointers by which its lists are filtered.
  std::vector<std::string> filters;
  std::string project;  // a pointer, or empty
};
/// Empty when the product declares no such kind.
std::optional<DeclaredKind> declared_kind(const Ask& ask, std::string_view product,
                                          std::string_view kind);

void render_row(std::string& out, const projections::FoundRow& found);

}  // namespace api::resources
