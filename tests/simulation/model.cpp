#include "tests/simulation/model.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/support/world.h"

namespace simulation {
namespace {

constexpr std::string_view types[] = {"file.set", "file.merged", "file.gone"};

std::string_view type_of(const FileEvent& event) {
  return types[static_cast<std::size_t>(event.change)];
}
std::string data_of(const FileEvent& event) {
  if (event.change == FileEvent::Change::gone) return "{}";
  return fmt::format(R"({{"{}":{}}})", event.member, event.value);
}

bool is_met(const Expected& expected, const File& file) {
  switch (expected.is) {
    case Expected::Case::any:
      return true;
    case Expected::Case::exists:
      return file.there;
    case Expected::Case::absent:
      return !file.there;
    case Expected::Case::no_stream:
      return file.version == 0;
    case Expected::Case::deleted:
      return !file.there && file.version > 0;
    case Expected::Case::exactly:
      return file.version == to_number(expected.version);
  }
  return false;
}

Expectation refuse(ErrorCode code) {
  return {.refused = code, .versions = {}};
}

}  // namespace

std::string Intent::request() const {
  auto text =
      fmt::format("{} {} {} {}", static_cast<int>(action), action == Action::create ? 0 : project,
                  name.value_or("-"), slug.value_or("-"));
  for (const auto& event : events) {
    text += fmt::format(" {} {} {}", event.file, type_of(event), data_of(event));
  }
  if (condition) text += fmt::format(" if {} {}", condition->first, to_text(condition->second));
  if (if_match) text += fmt::format(" at {}", *if_match);
  return text;
}

Command Intent::command(const Uuid& project_id) const {
  switch (action) {
    case Action::create:
      return manager::CreateProject{*name, slug};
    case Action::change:
      return manager::ChangeProject{project_id, name, slug};
    case Action::archive:
      return manager::ArchiveProject{project_id};
    case Action::restore:
      return manager::RestoreProject{project_id};
    case Action::remove:
      return manager::DeleteProject{project_id};
    case Action::append:
      break;
  }
  manager::AppendEvents append{.product = "git", .events = {}, .conditions = {}};
  for (const auto& event : events) {
    append.events.push_back(
        {"file", event.file, std::string(type_of(event)), data_of(event), std::nullopt});
  }
  if (condition) append.conditions.push_back({"file", condition->first, condition->second});
  return append;
}

CommandContext Intent::context() const {
  auto context = manager::of(scope.organization, scope.space);
  if (if_match) context = manager::if_match(context, *if_match);
  if (key) context = manager::with_key(context, *key, request());
  return context;
}

std::string File::json() const {
  std::vector<std::string> texts;
  for (const auto& [member, value] : members) {
    texts.push_back(fmt::format(R"("{}":{})", member, value));
  }
  return fmt::format("{{{}}}", fmt::join(texts, ","));
}

Expectation State::run(const Intent& intent, Time now) {
  if (intent.key) {
    const auto found = remembered_.find(*intent.key);
    if (found != remembered_.end() && found->second.recorded + std::chrono::hours{24} > now) {
      if (found->second.request != intent.request()) {
        return refuse(ErrorCode::idempotency_key_reused);
      }
      auto first = found->second.first;
      first.replayed = true;
      return first;
    }
  }
  auto expected = decide(intent);
  if (intent.key && expected.writes()) remembered_[*intent.key] = {intent.request(), expected, now};
  return expected;
}

Expectation State::decide(const Intent& intent) {
  return intent.action == Intent::Action::append ? append(intent) : decide_project(intent);
}

Expectation State::decide_project(const Intent& intent) {
  if (intent.action == Intent::Action::create) {
    if (slug_taken(*intent.slug)) return refuse(ErrorCode::slug_taken);
    projects_[intent.project] = {*intent.name, *intent.slug};
    return {.versions = {1}, .project = intent.project};
  }
  const auto found = projects_.find(intent.project);
  if (found == projects_.end()) return refuse(ErrorCode::not_found);
  auto& project = found->second;
  if (intent.if_match && *intent.if_match != project.version) {
    return refuse(ErrorCode::precondition_failed);
  }
  auto expected = decide_change(intent, project);
  if (!expected.writes()) return expected;
  expected.versions = {++project.version};
  if (intent.action == Intent::Action::remove) projects_.erase(found);
  return expected;
}

Expectation State::decide_change(const Intent& intent, Project& project) {
  Expectation expected{.versions = {}, .project = intent.project};
  switch (intent.action) {
    case Intent::Action::archive:
    case Intent::Action::restore: {
      const bool archive = intent.action == Intent::Action::archive;
      if (project.archived == archive) return refuse(ErrorCode::invalid_transition);
      project.archived = archive;
      return expected;
    }
    case Intent::Action::change: {
      if (project.archived) return refuse(ErrorCode::invalid_transition);
      const bool renames = intent.name && *intent.name != project.name;
      const bool moves = intent.slug && *intent.slug != project.slug;
      expected.unchanged = !renames && !moves;
      if (moves && slug_taken(*intent.slug)) return refuse(ErrorCode::slug_taken);
      if (renames) project.name = *intent.name;
      if (moves) project.slug = *intent.slug;
      return expected;
    }
    default:
      return expected;
  }
}

Expectation State::append(const Intent& intent) {
  if (intent.condition && !is_met(intent.condition->second, file(intent.condition->first))) {
    return refuse(ErrorCode::version_conflict);
  }
  if (intent.if_match && *intent.if_match != file(intent.events.front().file).version) {
    return refuse(ErrorCode::precondition_failed);
  }
  Expectation expected{.versions = {}};
  for (const auto& event : intent.events) {
    auto& changed = files_[event.file];
    if (event.change != FileEvent::Change::merged || !changed.there) changed.members.clear();
    changed.there = event.change != FileEvent::Change::gone;
    if (changed.there) changed.members[event.member] = event.value;
    expected.versions.push_back(++changed.version);
  }
  return expected;
}

bool State::slug_taken(const std::string& slug) const {
  return std::ranges::any_of(projects_, [&](const auto& p) { return p.second.slug == slug; });
}

File State::file(const std::string& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? File{} : found->second;
}

}  // namespace simulation
