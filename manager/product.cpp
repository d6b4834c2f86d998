#include "manager/decide.h"
#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace manager {

using projections::Product;
using schemas::json::quote;

namespace {

/// A type that has events can neither go nor fold differently: histories must fold the same for
/// ever.
Result<void> check_kept(const Context& context, const Manifest& before, const Manifest& after) {
  for (const auto& [kind, declared] : before.kinds()) {
    for (const auto& [type, fold] : declared.events) {
      if (after.fold_of(kind, type) == fold || !context.type_in_use(kind, type)) continue;
      return fail(schemas::Error{ErrorCode::in_use,
                                 "the type '" + type + "' of kind '" + kind +
                                     "' has events; it can neither be removed nor fold differently",
                                 {{schemas::FieldError::In::body,
                                   "/kinds/" + schemas::json::pointer_escape(kind) + "/events/" +
                                       schemas::json::pointer_escape(type),
                                   "has events"}},
                                 {}});
    }
  }
  return {};
}

/// However their members are ordered.
bool same_manifest(std::string_view one, std::string_view other) {
  if (one == other) return true;
  auto first = schemas::json::parse(one);
  auto second = schemas::json::parse(other);
  return first && second &&
         schemas::json::canonical(first->root()) == schemas::json::canonical(second->root());
}

std::string conflict_json(const AppendEvents::Condition& condition, Version current) {
  std::string json;
  schemas::json::Writer writer(json);
  writer.begin_object().member("kind", condition.kind).member("entity", condition.entity);
  if (condition.expected.is == Expected::Case::exactly) {
    writer.member("expected", to_number(condition.expected.version));
  } else {
    writer.member("expected", to_text(condition.expected));
  }
  writer.member("current_version", to_number(current)).end_object();
  return json;
}

bool holds(const Expected& expected, const Reader::Existence& current) {
  switch (expected.is) {
    case Expected::Case::any:
      return true;
    case Expected::Case::exists:
      return current.there;
    case Expected::Case::absent:
      return !current.there;
    case Expected::Case::no_stream:
      return current.version == Version{};
    case Expected::Case::deleted:
      return !current.there && current.version != Version{};
    case Expected::Case::exactly:
      return current.version == expected.version;
  }
  return false;
}

Result<void> check_conditions(const Context& context, const AppendEvents& command) {
  std::string conflicts;
  for (std::size_t i = 0; i < command.conditions.size(); ++i) {
    const auto& condition = command.conditions[i];
    if (!context.manifest->kinds().contains(condition.kind)) {
      return schemas::invalid_field("/expected/" + std::to_string(i) + "/kind",
                                    "the product declares no kind " + quote(condition.kind));
    }
    auto current = context.view.existence(context.topic, condition.kind, {{}, condition.entity});
    if (holds(condition.expected, current)) continue;
    conflicts += (conflicts.empty() ? "" : ",") + conflict_json(condition, current.version);
  }
  if (conflicts.empty()) return {};
  return fail(schemas::Error{ErrorCode::version_conflict,
                             "an entity is not at its expected version; nothing was written",
                             {},
                             {{"conflicts", "[" + conflicts + "]"}}});
}

}  // namespace

std::string to_text(const Expected& expected) {
  switch (expected.is) {
    case Expected::Case::any:
      return "any";
    case Expected::Case::exists:
      return "exists";
    case Expected::Case::absent:
      return "absent";
    case Expected::Case::no_stream:
      return "no_stream";
    case Expected::Case::deleted:
      return "deleted";
    case Expected::Case::exactly:
      return std::to_string(to_number(expected.version));
  }
  return "";
}

Result<Decision> decide(const Context& context, const DeclareProduct& command) {
  const Entity subject{{}, command.name};
  auto current = context.view.get<Product>(context.topic, subject);
  auto version = current ? current->head.version : Version{};
  auto matched = check_if_match(context, version);
  if (!matched) return std::unexpected(std::move(matched).error());
  if (current && same_manifest(current->state.manifest, command.manifest)) {
    return nothing(Product::kind, subject);
  }
  auto after = Manifest::parse(command.manifest, 0);
  if (!after) return std::unexpected(std::move(after).error());
  if (current) {
    auto before = Manifest::parse(current->state.manifest, 0);
    if (!before) return std::unexpected(std::move(before).error());
    auto kept = check_kept(context, *before, *after);
    if (!kept) return std::unexpected(std::move(kept).error());
  }
  return one_event(context, subject, version, schemas::ProductDeclared{command.manifest});
}

Result<Decision> decide(const Context& context, const AppendEvents& command) {
  auto met = check_conditions(context, command);
  if (!met) return std::unexpected(std::move(met).error());
  if (context.if_match) {
    const auto& one = command.events.front();
    auto current = context.view.existence(context.topic, one.kind, {{}, one.entity});
    auto matched = check_if_match(context, current.version);
    if (!matched) return std::unexpected(std::move(matched).error());
  }
  Decision decision;
  decision.events.reserve(command.events.size());
  std::map<std::pair<std::string_view, std::string_view>, Version> versions;
  for (std::size_t i = 0; i < command.events.size(); ++i) {
    const auto& event = command.events[i];
    const auto pointer = "/events/" + std::to_string(i);
    auto fold = context.manifest->fold_of(event.kind, event.type);
    if (!context.manifest->kinds().contains(event.kind)) {
      return schemas::invalid_field(pointer + "/kind",
                                    "the product declares no kind " + quote(event.kind));
    }
    if (!fold) {
      return schemas::invalid_field(
          pointer + "/type",
          "the kind " + quote(event.kind) + " declares no type " + quote(event.type));
    }
    Entity entity{{}, event.entity};
    auto [version, first] = versions.try_emplace({event.kind, event.entity});
    if (first) {
      version->second = context.view.existence(context.topic, event.kind, entity).version;
    }
    version->second = next(version->second);
    decision.events.push_back({.id = schemas::EventId(context.new_id()),
                               .type = event.type,
                               .kind = event.kind,
                               .entity = std::move(entity),
                               .version = version->second,
                               .occurred = event.occurred.value_or(context.now),
                               .schema = context.manifest->version(),
                               .data = schemas::Json{event.data, *fold}});
  }
  decision.kind = command.events.front().kind;
  decision.subject = {{}, command.events.front().entity};
  return decision;
}

}  // namespace manager
