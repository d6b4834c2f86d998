#include "tests/simulation/checks.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "projections/timeline.h"
#include "schemas/json.h"
#include "tests/simulation/life.h"

namespace simulation {
namespace {

using projections::Direction;
using projections::FoundRow;
using projections::ListOptions;
using projections::Reader;
/// Entities as text: what a list shows, or must.
using Shown = std::map<std::string, std::string>;

bool of_projects(const Scope& scope) {
  return scope.product == Product::projects;
}
std::string_view kind_of(const Scope& scope) {
  return of_projects(scope) ? "project" : "file";
}

std::string project_text(const std::string& name, std::uint64_t version, bool archived) {
  return fmt::format("{} version {}{}", name, version, archived ? " archived" : "");
}
std::string file_text(const std::string& json, std::uint64_t version) {
  return fmt::format("{} version {}", json, version);
}

Shown expected(const Scope& scope, const State& state) {
  Shown shown;
  if (of_projects(scope)) {
    for (const auto& [number, project] : state.projects()) {
      shown[project.slug] = project_text(project.name, project.version, project.archived);
    }
  } else {
    for (const auto& [name, file] : state.files()) {
      if (file.there) shown[name] = file_text(file.json(), file.version);
    }
  }
  return shown;
}

std::pair<std::string, std::string> text_of(const Scope& scope, const FoundRow& found) {
  if (of_projects(scope)) {
    const auto row = projections::decode_row<projections::Project>(found.bytes);
    return {row.state.slug,
            project_text(row.state.name, to_number(row.head.version),
                         row.state.status == projections::Project::Status::archived)};
  }
  const auto row = projections::decode_row<projections::Declared>(found.bytes);
  auto document = schemas::json::parse(row.state.json);
  if (!document) throw Broken("the state of a file is no JSON: " + row.state.json);
  return {found.entity.name,
          file_text(schemas::json::canonical(document->root()), to_number(row.head.version))};
}

Shown shown(const Scope& scope, const std::vector<FoundRow>& rows) {
  Shown all;
  for (const auto& row : rows) {
    if (!all.insert(text_of(scope, row)).second) throw Broken("a list shows something twice");
  }
  return all;
}

void compare(const Scope& scope, const Shown& found, const Shown& wanted, std::string_view where) {
  if (found == wanted) return;
  std::string text =
      fmt::format("{} {} {} shows", name_of(scope.product), to_text(scope.space), where);
  for (const auto& [name, value] : found) text += fmt::format(" [{}: {}]", name, value);
  text += " instead of";
  for (const auto& [name, value] : wanted) text += fmt::format(" [{}: {}]", name, value);
  throw Broken(text);
}

struct Where {
  Reader reader;
  schemas::TopicId topic;
};
Where where(SimulatedWorld& world, const Scope& scope) {
  return {Reader(world.rows(), scope.organization, scope.space),
          world.topic(name_of(scope.product))};
}

/// Every entity alone, the deleted ones too.
void check_entities(SimulatedWorld& world, const Scope& scope, const State& state,
                    std::optional<std::int64_t> as_of) {
  if (of_projects(scope)) return;
  auto [reader, topic] = where(world, scope);
  for (const auto& [name, file] : state.files()) {
    const schemas::Entity entity{{}, name};
    const auto row = as_of ? reader.find_as_of(topic, "file", entity, *as_of)
                           : reader.find(topic, "file", entity);
    if (row.has_value() != file.there) throw Broken("a file is there, or not, against the log");
    if (row && text_of(scope, {entity, *row}).second != file_text(file.json(), file.version)) {
      throw Broken("a file is not what the log says: " + name);
    }
    if (as_of) continue;
    if (to_number(reader.existence(topic, "file", entity).version) != file.version) {
      throw Broken("a file's version is not the log's");
    }
  }
}

std::vector<FoundRow> page_by_page(const Where& at, const Scope& scope, ListOptions options) {
  std::vector<FoundRow> rows;
  for (bool more = true; more;) {
    auto page = at.reader.list(at.topic, kind_of(scope), of_projects(scope), options);
    if (page.more && page.rows.size() != options.limit) throw Broken("a page ends too early");
    more = page.more;
    for (auto& row : page.rows) rows.push_back(std::move(row));
    if (more) options.after = rows.back().entity;
  }
  return rows;
}

std::vector<schemas::EventId> walk(projections::Timeline& timeline, Direction direction,
                                   const projections::Places& from) {
  projections::TimelineWalk walk(timeline, direction, from);
  std::vector<schemas::EventId> events;
  while (true) {
    const auto event = walk.next();
    if (!event) throw Broken("a history cannot be read: " + event.error().detail);
    if (!*event) return events;
    events.push_back((*event)->event().id());
  }
}

}  // namespace

std::string_view name_of(Product product) {
  return product == Product::projects ? "projects" : "git";
}

void check_rows(SimulatedWorld& world, const Ledger& ledger) {
  for (const auto& [scope, state] : ledger.known()) {
    const auto at = where(world, scope);
    const auto page = at.reader.list(at.topic, kind_of(scope), of_projects(scope), {.limit = 1000});
    compare(scope, shown(scope, page.rows), expected(scope, state), "now");
    check_entities(world, scope, state, {});
  }
}

void check_past_and_pages(SimulatedWorld& world, const Ledger& ledger, std::mt19937& random) {
  const auto accepted = ledger.accepted();
  if (accepted.empty()) return;
  const auto& then = *accepted[random() % accepted.size()];
  const auto& scope = then.scope;
  const auto at = where(world, scope);
  for (const bool past : {true, false}) {
    const auto as_of = past ? std::optional(then.position.offset) : std::nullopt;
    const auto& state = past ? then.after : ledger.known().at(scope);
    ListOptions options{.descending = random() % 2 == 0, .limit = 1 + random() % 3, .as_of = as_of};
    const auto rows = page_by_page(at, scope, options);
    compare(scope, shown(scope, rows), expected(scope, state), past ? "in the past" : "in pages");
    const auto order = [&](const auto& a, const auto& b) {
      return options.descending ? b.entity < a.entity : a.entity < b.entity;
    };
    if (!std::ranges::is_sorted(rows, order)) throw Broken("pages are out of order");
    check_entities(world, scope, state, as_of);
  }
}

void check_timelines(SimulatedWorld& world, const Ledger& ledger) {
  using Counts = std::map<std::pair<schemas::OrganizationId, schemas::Space>, std::size_t>;
  Counts counts;
  for (const auto* record : ledger.accepted()) {
    counts[{record->scope.organization, record->scope.space}] += record->events;
  }
  const auto projects = world.topic("projects");
  const auto git = world.topic("git");
  const projections::Place end{std::numeric_limits<std::int64_t>::max() - 1};
  for (const auto& [whose, count] : counts) {
    const auto& [organization, space] = whose;
    const auto partition = schemas::partition_of(organization, SimulatedWorld::partitions);
    projections::Timeline timeline(world.rows(), world.log(), organization, space, partition);
    const auto there = walk(timeline, Direction::ascending, {{projects, {}}, {git, {}}});
    auto back = walk(timeline, Direction::descending, {{projects, end}, {git, end}});
    if (there.size() != count || back.size() != count) {
      throw Broken(fmt::format("a history has {} events, {} when read back, not {}", there.size(),
                               back.size(), count));
    }
    std::ranges::reverse(back);
    if (there != back) throw Broken("a history differs when read back");
  }
}

}  // namespace simulation
