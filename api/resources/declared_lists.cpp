#include "api/resources/declared_lists.h"

#include <algorithm>
#include <map>

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/parameters.h"
#include "api/resources/parse.h"
#include "api/resources/pool.h"
#include "api/resources/products.h"
#include "api/resources/sealed_fields.h"
#include "api/resources/shaping.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::Declared;
using projections::FoundRow;
using projections::Index;
using schemas::json::Value;

/// Values of one filter.
constexpr std::size_t values_max = 50;

/// Rows with one of these texts at the index's pointer.
struct Filter {
  Index index;
  std::vector<std::string> texts;
  std::vector<std::string> values = {};  // as they stand in the index

  const std::string& pointer() const { return index.pointers.front(); }
  bool keeps(Value state) const {
    const auto value = projections::index_value(state, index);
    return value && std::ranges::find(values, *value) != values.end();
  }
};

Result<std::vector<Filter>> read_filters(const Ask& ask, const DeclaredKind& kind) {
  std::vector<Filter> filters;
  for (const auto& [name, value] : ask.request.query) {
    if (!name.starts_with('/')) continue;
    const auto by_pointer = [&](const Index& index) { return index.pointers.front() == name; };
    const auto index = std::ranges::find_if(kind.filters, by_pointer);
    if (index == kind.filters.end()) return edge::wrong_parameter(name, no_index_detail(name));
    auto same = std::ranges::find(filters, name, &Filter::pointer);
    if (same == filters.end()) same = filters.insert(same, Filter{*index, {}});
    if (same->texts.size() == values_max) {
      return edge::wrong_parameter(
          name, "has more than " + std::to_string(values_max) + " values; ask for some at a time");
    }
    if (std::ranges::find(same->texts, value) == same->texts.end()) {
      same->texts.emplace_back(value);
    }
  }
  return filters;
}

/// Sealed fields are looked for by their blind index.
Result<void> find_values(eventstore::Sealing& sealing, const SealedPlace& place,
                         std::vector<Filter>& filters) {
  for (auto& filter : filters) {
    const bool sealed = filter.index.is_sealed(filter.pointer());
    for (const auto& text : filter.texts) {
      auto value = sealed ? blind_value(sealing, place, filter.pointer(), text)
                          : Result<std::string>(projections::index_value(text));
      if (!value) return std::unexpected(std::move(value).error());
      filter.values.push_back(std::move(*value));
    }
  }
  return {};
}

/// An index that was declared a moment ago may not hold every row yet.
Result<void> check_made(const Reading& reading, std::string_view product, std::string_view kind,
                        const Index& index) {
  const auto build = projections::find_build(reading.rows(), product, kind, index);
  if (build && build->done) return {};
  const auto looked_at = build ? build->looked_at : 0;
  return schemas::fail(schemas::ErrorCode::mark_not_reached,
                       "the index " + index.pointers.front() +
                           " is being made from the rows that were there "
                           "before it; " +
                           std::to_string(looked_at) + " of their versions are looked at so far");
}

/// A list of a kind's rows, by these filters.
Answer list_declared(Ask& ask, Place place, std::string kind_name, const DeclaredKind& kind,
                     std::vector<Filter> filters) {
  const std::string product(ask.request.captured("product"));
  auto find = [&] {
    return find_values(ask.services.sealing,
                       {place.organization, place.space, product, kind_name, {}}, filters);
  };
  const bool by_sealed = std::ranges::any_of(
      filters, [](const auto& one) { return one.index.is_sealed(one.pointer()); });
  auto looked_up = by_sealed ? co_await answer_on(ask.services.records, find) : find();
  if (!looked_up) co_return std::unexpected(std::move(looked_up).error());
  Result<void> rendered;
  std::map<std::string, std::string, std::less<>> projects;
  ListSpec spec{.kind = kind_name, .has_id = false, .keep = {}, .render = {}};
  spec.render = [&](std::string& out, const FoundRow& found) {
    if (rendered) rendered = render_row(ask, place, kind_name, found, out);
    if (!rendered) out += "null";
  };
  if (includes_project(ask)) {
    spec.render = [&, row = spec.render](std::string& out, const FoundRow& found) {
      row(out, found);
      if (!rendered) return;
      auto state = schemas::json::parse(projections::decode_row<Declared>(found.bytes).state.json);
      auto id = schemas::json::resolve(state->root(), kind.project);
      const std::string text(id ? id->as_string().value_or("") : "");
      auto project = projects.try_emplace(text);
      if (project.second) project.first->second = project_json(ask, text);
      out.pop_back();
      out += R"(,"project":)" + project.first->second + "}";
    };
  }
  spec.admit = [&](Reading& reading) {
    Result<void> made = check_kept(
        reading, kind_name,
        "the history of this kind is bounded and was trimmed: lists go back to the earliest mark; "
        "single entities, and their events, go back further");
    for (const auto& filter : filters) {
      if (made) made = check_made(reading, product, kind_name, filter.index);
    }
    return made;
  };
  const auto keep = [&](const FoundRow& found) {
    auto state = schemas::json::parse(projections::decode_row<Declared>(found.bytes).state.json);
    ENSURE(state.has_value());
    return std::ranges::all_of(filters, [&](const auto& one) { return one.keeps(state->root()); });
  };
  if (!filters.empty()) spec.keep = keep;
  for (const auto& filter : filters) {
    spec.by_index.emplace_back(filter.index.name(), filter.values);
  }
  auto some = co_await list_answer(ask, place, std::move(spec));
  if (!some) co_await name_earliest_kept(ask, place, kind_name, some.error());
  if (!rendered) co_return std::unexpected(std::move(rendered).error());
  co_return some;
}

Result<void> check_include(const Ask& ask, const DeclaredKind& kind) {
  if (!includes_project(ask) || !kind.project.empty()) return {};
  return edge::wrong_parameter("include",
                               "the kind names no project; its manifest may say where: "
                               "\"project\":\"/project_id\"");
}

/// The projects whose rows an integration's list shows; empty: all rows.
std::optional<Filter> filter_by_project(const Ask& ask, const DeclaredKind& kind) {
  Filter filter{Index{{kind.project}}, {}};
  bool asked = false;
  for (const auto& [name, value] : ask.request.query) {
    if (name != "project_id") continue;
    asked = true;
    auto id = schemas::parse_id<schemas::ProjectTag>(value);
    if (ask.caller().sees_project(id->uuid())) filter.texts.emplace_back(value);
  }
  if (!asked && !ask.caller().restricted()) return std::nullopt;
  if (!asked) filter.texts = *ask.caller().access->projects;
  return filter;
}

}  // namespace

Result<void> render_row(const Ask& ask, const Place& place, std::string_view kind,
                        const FoundRow& found, std::string& out) {
  auto row = projections::decode_row<Declared>(found.bytes);
  const auto product = ask.request.captured("product");
  auto state = open_sealed(ask.services.sealing,
                           {place.organization, place.space, product, kind, found.entity.name},
                           row.state.json);
  if (!state) return std::unexpected(std::move(state).error());
  schemas::json::Writer(out)
      .begin_object()
      .member("entity", found.entity.name)
      .name("state")
      .raw(*state)
      .member("version", to_number(row.head.version))
      .member("created_at", row.head.created_at)
      .member("updated_at", row.head.updated_at)
      .end_object();
  return {};
}

std::optional<DeclaredKind> declared_kind(const Ask& ask, std::string_view product,
                                          std::string_view kind) {
  projections::Reader reader(ask.services.rows, schemas::platform_organization, Space::live);
  auto row = reader.get<projections::Product>(ask.platform().topic, {{}, std::string(product)});
  auto manifest = row ? schemas::json::parse(row->state.manifest)
                      : Result<schemas::json::Document>(edge::not_found("product"));
  auto kinds = manifest ? manifest->root().find("kinds") : std::nullopt;
  auto found = kinds ? kinds->find(kind) : std::nullopt;
  if (!found) return std::nullopt;
  DeclaredKind declared;
  for (auto& index : projections::indexes_of(*found)) {
    if (index.pointers.size() == 1) declared.filters.push_back(std::move(index));
  }
  auto project = found->find("project");
  declared.project = project ? project->as_string().value_or("") : "";
  return declared;
}

// GET /v2/products/{product}/{kind}
Answer list_rows(Ask& ask) {
  auto place = product_in_path(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  const std::string kind_name(ask.request.captured("kind"));
  if (auto name = ask.request.parameter("entity")) {
    if (!is_entity_name(*name)) co_return edge::not_found("entity of this name");
    co_return co_await answer_row(ask, {*place, kind_name, std::string(*name)});
  }
  auto kind = declared_kind(ask, ask.request.captured("product"), kind_name);
  if (!kind) co_return edge::not_found("kind of this name");
  auto filters = read_filters(ask, *kind);
  if (!filters) co_return std::unexpected(std::move(filters).error());
  auto include = check_include(ask, *kind);
  if (!include) co_return std::unexpected(std::move(include).error());
  co_return co_await list_declared(ask, *place, kind_name, *kind, std::move(*filters));
}

// GET /v2/integrations/{product}/{kind}
Answer list_integrations(Ask& ask) {
  auto place = declared_product(ask);
  if (!place) co_return std::unexpected(std::move(place).error());
  const std::string kind_name(ask.request.captured("kind"));
  auto kind = declared_kind(ask, ask.request.captured("product"), kind_name);
  if (!kind || kind->project.empty()) {
    co_return edge::not_found("kind of this name that names a project");
  }
  auto filters = read_filters(ask, *kind);
  if (!filters) co_return std::unexpected(std::move(filters).error());
  if (auto projects = filter_by_project(ask, *kind)) {
    filters->insert(filters->begin(), std::move(*projects));
  }
  co_return co_await list_declared(ask, *place, kind_name, *kind, std::move(*filters));
}

}  // namespace api::resources
