#include "api/resources/shaping.h"

#include <algorithm>
#include <map>
#include <ranges>

#include "api/edge/errors.h"
#include "api/resources/projects.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using schemas::json::Value;
using schemas::json::Writer;

std::vector<std::string_view> names_in(std::string_view list) {
  std::vector<std::string_view> names;
  for (auto part : list | std::views::split(',')) names.emplace_back(part.begin(), part.end());
  if (names.empty()) names.emplace_back();  // an empty text is an empty name
  return names;
}

/// One thing of an answer, with its project and without what was not asked for.
class Shaper {
 public:
  explicit Shaper(const Ask& ask) : ask_(ask), includes_(includes_project(ask)) {
    if (auto fields = ask.request.parameter("fields")) {
      picks_ = true;
      names_ = names_in(*fields);
    }
  }

  void write(Writer& writer, Value thing) {
    if (!thing.is_object()) return void(writer.value(thing));
    writer.begin_object();
    for (auto [name, value] : thing.members()) {
      if (wanted(name)) writer.member(name, value);
    }
    auto id = includes_ && wanted("project") ? thing.find("project_id") : std::nullopt;
    if (id && id->is_string()) writer.name("project").raw(project(*id->as_string()));
    writer.end_object();
  }

 private:
  bool wanted(std::string_view name) const {
    return !picks_ || std::ranges::find(names_, name) != names_.end();
  }
  const std::string& project(std::string_view id) {
    auto found = projects_.find(id);
    if (found != projects_.end()) return found->second;
    return projects_.emplace(id, project_json(ask_, id)).first->second;
  }

  const Ask& ask_;
  bool includes_;
  bool picks_ = false;
  std::vector<std::string_view> names_;
  std::map<std::string, std::string, std::less<>> projects_;
};

}  // namespace

bool includes_project(const Ask& ask) {
  return ask.request.parameter("include").has_value();
}

Result<void> check_shaping(const Ask& ask) {
  const auto* shape = ask.operation.answer;
  auto fields = ask.request.parameter("fields");
  if (fields) {
    for (auto name : names_in(*fields)) {
      if (std::ranges::find(shape->fields, name, &Field::name) != shape->fields.end()) continue;
      return edge::wrong_parameter(
          "fields", "'" + std::string(name) + "' is no member of a " + std::string(shape->name));
    }
  }
  if (!includes_project(ask)) return {};
  return edge::require_permission(*ask.who, "projects:read");
}

void shape_answer(const Ask& ask, Response& response) {
  const bool shaped = ask.request.parameter("fields") || includes_project(ask);
  if (!shaped || response.status != 200 || response.stream || response.error) return;
  auto document = schemas::json::parse(response.body);
  ENSURE(document.has_value());
  std::string json;
  Writer writer(json);
  Shaper shaper(ask);
  if (!ask.operation.page) {
    shaper.write(writer, document->root());
  } else {
    writer.begin_object();
    for (auto [name, value] : document->root().members()) {
      writer.name(name);
      if (name != "data") {
        writer.value(value);
        continue;
      }
      writer.begin_array();
      for (auto thing : value.elements()) shaper.write(writer, thing);
      writer.end_array();
    }
    writer.end_object();
  }
  response.body = std::move(json);
}

std::string project_json(const Ask& ask, std::string_view id) {
  auto project = schemas::parse_id<schemas::ProjectTag>(id);
  if (!project || !ask.caller().sees_project(project->uuid())) return "null";
  const auto place = ask.projects();
  const projections::Reader reader(ask.services.rows, place.organization, place.space);
  const schemas::Entity entity{project->uuid(), {}};
  auto row = reader.find(place.topic, projections::Project::kind, entity);
  if (!row) return "null";
  std::string json;
  render_project(json, place.organization, {entity, std::move(*row)});
  return json;
}

}  // namespace api::resources
