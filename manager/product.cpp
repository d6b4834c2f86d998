#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "manager/decide.h"
#include "projections/evolve.h"
#include "schemas/json.h"
#include "schemas/json_writer.h"
#include "schemas/sealed_text.h"

namespace manager {

using projections::Product;
using schemas::json::quote;

namespace {

/// A type that has events can neither go nor fold differently: histories must fold the same for
/// ever.
Result<void> check_kept(const Context& context, const Manifest& before, const Manifest& after) {
  for (const auto& [kind, declared] : before.kinds()) {
    for (const auto& [type, as] : declared.events) {
      if (after.fold_of(kind, type) == as.fold || !context.type_in_use(kind, type)) continue;
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

bool is_used(const Context& context, const std::string& name, const Manifest::Kind& kind) {
  return std::ranges::any_of(
      kind.events, [&](const auto& type) { return context.type_in_use(name, type.first); });
}

std::unexpected<schemas::Error> rule_in_use(std::string_view kind, std::string_view member,
                                            std::string detail) {
  auto pointer = "/kinds/" + schemas::json::pointer_escape(kind) + "/" + std::string(member);
  return fail(schemas::Error{ErrorCode::in_use,
                             std::move(detail),
                             {{schemas::FieldError::In::body, std::move(pointer), "has events"}},
                             {}});
}

/// Of a kind that has events the indexes stay, since its rows are in them, and no unique rule
/// comes, since its rows may break it already.
Result<void> check_rules(const Context& context, const Manifest& after,
                         const projections::KindIndexes& before_indexes,
                         const projections::KindIndexes& after_indexes, const Manifest& before) {
  for (const auto& [name, kind] : before.kinds()) {
    auto now = after.kinds().find(name);
    if (now == after.kinds().end() || !is_used(context, name, kind)) continue;
    auto kept = after_indexes.find(name);
    auto had = before_indexes.find(name);
    for (std::size_t i = 0; had != before_indexes.end() && i < had->second.size(); ++i) {
      const auto& index = had->second[i];
      const bool stays = kept != after_indexes.end() &&
                         std::ranges::find(kept->second, index) != kept->second.end();
      if (stays) continue;
      return rule_in_use(name, "indexes",
                         "the kind '" + name + "' has events; its index " + index.pointers.front() +
                             " stays: declare it under indexes");
    }
    for (const auto& rule : now->second.unique) {
      if (std::ranges::find(kind.unique, rule) != kind.unique.end()) continue;
      return rule_in_use(name, "unique",
                         "the kind '" + name +
                             "' has events; a unique rule comes before the first one: declare a "
                             "new kind that has it from the start");
    }
  }
  return {};
}

/// Of a kind that has events sealed fields stay sealed, and an index over one comes before the
/// first event, since values that were sealed without a blind index are not found by it.
Result<void> check_sealed(const Context& context, const Manifest& before, const Manifest& after) {
  for (const auto& [name, kind] : before.kinds()) {
    auto now = after.kinds().find(name);
    if (now == after.kinds().end() || !is_used(context, name, kind)) continue;
    for (const auto& pointer : kind.sealed) {
      if (std::ranges::find(now->second.sealed, pointer) != now->second.sealed.end()) continue;
      return rule_in_use(name, "sealed",
                         "the kind '" + name + "' has events; its field " + pointer +
                             " stays sealed: declare it under sealed");
    }
    for (const auto& pointer : now->second.sealed) {
      if (!now->second.finds_by(pointer)) continue;
      const bool found_before =
          std::ranges::find(kind.sealed, pointer) != kind.sealed.end() && kind.finds_by(pointer);
      if (found_before) continue;
      return rule_in_use(name, "sealed",
                         "the kind '" + name + "' has events; an index over the sealed field " +
                             pointer +
                             " comes before the first one: declare a new kind that has "
                             "it from the start");
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

/// The type that an event is written as, by its name or by an alias.
Result<const std::pair<const std::string, Manifest::Type>*> type_of(
    const Manifest& manifest, const AppendEvents::Event& event, std::size_t index) {
  const auto pointer = "/events/" + std::to_string(index);
  auto kind = manifest.kinds().find(event.kind);
  if (kind == manifest.kinds().end()) {
    return schemas::invalid_field(pointer + "/kind",
                                  "the product declares no kind " + quote(event.kind));
  }
  const auto* type = kind->second.written_as(event.type);
  if (type != nullptr) return type;
  return schemas::invalid_field(pointer + "/type", "the kind " + quote(event.kind) +
                                                       " declares no type " + quote(event.type));
}

/// The edge seals by the manifest that it knows; what is not sealed as this one says is not
/// written.
Result<void> check_is_sealed(const Manifest::Kind& kind, const AppendEvents::Event& event) {
  if (kind.sealed.empty()) return {};
  auto data = schemas::json::parse(event.data);
  ENSURE(data.has_value());
  for (const auto& pointer : kind.sealed) {
    auto value = schemas::json::resolve(data->root(), pointer);
    if (!value || value->is_null()) continue;
    const auto text = value->as_string();
    const auto sealed = text ? schemas::parse_sealed_text(*text) : std::nullopt;
    if (event.clear && sealed && sealed->blind.empty() != kind.finds_by(pointer)) continue;
    return fail(ErrorCode::mark_not_reached,
                "the product's manifest changed while this was on its way; nothing was written, "
                "try it again");
  }
  return {};
}

/// Data against the schemas of their types: one allowance for all events of a command.
class DataChecks {
 public:
  void check(const std::pair<const std::string, Manifest::Type>& type,
             const AppendEvents::Event& event, std::size_t index) {
    if (!type.second.schema || left_.errors == 0) return;
    auto data = schemas::json::parse(event.clear ? *event.clear : event.data);
    ENSURE(data.has_value());
    const auto pointer = "/events/" + std::to_string(index) + "/data";
    std::ranges::move(type.second.schema->check(data->root(), pointer, left_),
                      std::back_inserter(faults_));
  }

  Result<void> finish() {
    if (faults_.empty()) return {};
    auto detail = faults_.size() == 1 ? "1 field is wrong"
                                      : std::to_string(faults_.size()) + " fields are wrong";
    return fail(
        schemas::Error{ErrorCode::invalid_request, std::move(detail), std::move(faults_), {}});
  }

 private:
  schemas::json_schema::Schema::Allowance left_{.work = 2'000'000};
  std::vector<schemas::FieldError> faults_;
};

/// Unique rules over the events of one command, in order: a value that one gives up, a later one
/// may take.
class UniqueChecks {
 public:
  explicit UniqueChecks(const Context& context) : context_(context) {}

  Result<void> check(const Manifest::Kind& kind, const AppendEvents::Event& event,
                     schemas::Fold fold, std::size_t index) {
    if (kind.unique.empty()) return {};
    const Entity entity{{}, event.entity};
    auto [known, first] = states_.try_emplace({event.kind, event.entity});
    if (first) {
      auto row = context_.view.get<projections::Declared>(context_.topic, entity, event.kind);
      if (row) known->second = std::move(row->state);
    }
    auto before = values_of(kind, known->second);
    auto after = projections::evolve(std::move(known->second), schemas::Json{event.data, fold},
                                     {context_.now});
    // What does not fold is refused by the fold.
    known->second = after ? std::move(*after) : std::nullopt;
    auto values = values_of(kind, known->second);
    for (std::size_t i = 0; i < kind.unique.size(); ++i) {
      if (values[i] == before[i]) continue;
      const auto& rule = kind.unique[i];
      if (before[i]) give_up(event, rule, *before[i]);
      if (!values[i]) continue;
      if (auto other = take(event, rule, *values[i])) return taken(event, rule, *other, index);
    }
    return {};
  }

 private:
  using Values = std::vector<std::optional<std::string>>;
  /// What this command's events did to one value so far.
  struct Holders {
    std::set<std::string> without;  // who gave it up
    std::optional<std::string> by;
  };

  static Values values_of(const Manifest::Kind& kind,
                          const std::optional<projections::Declared>& state) {
    Values values(kind.unique.size());
    auto document = state ? std::optional(schemas::json::parse(state->json)) : std::nullopt;
    if (!document || !*document) return values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = projections::index_value((*document)->root(), kind.unique[i]);
    }
    return values;
  }
  Holders& holders(const AppendEvents::Event& event, const projections::Index& rule,
                   const std::string& value) {
    return holders_[{event.kind, rule.name(), value}];
  }
  void give_up(const AppendEvents::Event& event, const projections::Index& rule,
               const std::string& value) {
    auto& known = holders(event, rule, value);
    known.without.insert(event.entity);
    if (known.by == event.entity) known.by.reset();
  }
  /// Who has the value, if it is somebody else.
  std::optional<std::string> take(const AppendEvents::Event& event, const projections::Index& rule,
                                  const std::string& value) {
    auto& known = holders(event, rule, value);
    if (known.by) return known.by;
    auto others = known.without;
    others.insert(event.entity);
    auto other =
        context_.view.held_by_other(context_.topic, event.kind, rule.name(), value, others);
    if (!other) known.by = event.entity;
    return other;
  }
  static std::unexpected<schemas::Error> taken(const AppendEvents::Event& event,
                                               const projections::Index& rule,
                                               const std::string& other, std::size_t index) {
    std::vector<schemas::FieldError> fields;
    for (const auto& pointer : rule.pointers) {
      fields.push_back(
          {schemas::FieldError::In::body, "/events/" + std::to_string(index) + "/data" + pointer,
           rule.pointers.size() == 1 ? "is taken" : "is taken together with the others"});
    }
    return fail(schemas::Error{ErrorCode::unique_taken,
                               "the " + event.kind + " " + quote(other) +
                                   " has the same; nothing was "
                                   "written",
                               std::move(fields),
                               {}});
  }

  const Context& context_;
  std::map<std::pair<std::string_view, std::string_view>, std::optional<projections::Declared>>
      states_;
  std::map<std::tuple<std::string_view, std::string, std::string>, Holders> holders_;
};

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
    auto sealed = check_sealed(context, *before, *after);
    if (!sealed) return std::unexpected(std::move(sealed).error());
    auto ruled = check_rules(context, *after, projections::indexes_of(current->state.manifest),
                             projections::indexes_of(command.manifest), *before);
    if (!ruled) return std::unexpected(std::move(ruled).error());
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
  DataChecks checks;
  UniqueChecks unique(context);
  std::map<std::pair<std::string_view, std::string_view>, Version> versions;
  for (std::size_t i = 0; i < command.events.size(); ++i) {
    const auto& event = command.events[i];
    auto type = type_of(*context.manifest, event, i);
    if (!type) return std::unexpected(std::move(type).error());
    const auto& kind = context.manifest->kinds().find(event.kind)->second;
    auto sealed = check_is_sealed(kind, event);
    if (!sealed) return std::unexpected(std::move(sealed).error());
    checks.check(**type, event, i);
    auto free = unique.check(kind, event, (*type)->second.fold, i);
    if (!free) return std::unexpected(std::move(free).error());
    Entity entity{{}, event.entity};
    auto [version, first] = versions.try_emplace({event.kind, event.entity});
    if (first) {
      version->second = context.view.existence(context.topic, event.kind, entity).version;
    }
    version->second = next(version->second);
    decision.events.push_back({.id = schemas::EventId(context.new_id()),
                               .type = (*type)->first,
                               .kind = event.kind,
                               .entity = std::move(entity),
                               .version = version->second,
                               .occurred = event.occurred.value_or(context.now),
                               .schema = context.manifest->version(),
                               .data = schemas::Json{event.data, (*type)->second.fold, kind.keep}});
  }
  auto checked = checks.finish();
  if (!checked) return std::unexpected(std::move(checked).error());
  decision.kind = command.events.front().kind;
  decision.subject = {{}, command.events.front().entity};
  return decision;
}

}  // namespace manager
