#include "projections/evolve.h"
#include "schemas/json.h"

namespace projections {

Result<std::optional<Product>> evolve(std::optional<Product>, const EventData& data,
                                      const Moment&) {
  const auto* declared = std::get_if<schemas::ProductDeclared>(&data);
  if (declared == nullptr) return cannot_apply(data);
  return Product{.manifest = std::string(declared->manifest)};
}

Result<std::optional<Declared>> evolve(std::optional<Declared> state, const EventData& data,
                                       const Moment&) {
  const auto* json = std::get_if<schemas::Json>(&data);
  if (json == nullptr) return cannot_apply(data);
  switch (json->fold) {
    case schemas::Fold::replace:
      return Declared{.json = std::string(json->text)};
    case schemas::Fold::remove:
      return std::optional<Declared>();
    case schemas::Fold::merge: {
      auto patch = schemas::json::parse(json->text);
      if (!patch) return cannot_apply(data);
      if (!state) return Declared{.json = schemas::json::merge_patch(std::nullopt, patch->root())};
      auto target = schemas::json::parse(state->json);
      if (!target) return cannot_apply(data);
      return Declared{.json = schemas::json::merge_patch(target->root(), patch->root())};
    }
  }
  return cannot_apply(data);
}

}  // namespace projections
