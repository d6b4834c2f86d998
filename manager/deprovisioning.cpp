#include "manager/deprovisioning.h"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "projections/project_parts.h"
#include "projections/resource_rows.h"

namespace manager {

using projections::Environment;
using projections::FoundRow;
using projections::Project;
using projections::Resource;
using projections::ResourceOfProject;
using schemas::OrganizationId;
using schemas::TopicId;

Deprovisioning::Name Deprovisioning::name_of(const Task& task) {
  return {task.organization.uuid(), task.space, task.project};
}

void Deprovisioning::applied(const std::vector<eventstore::StoredRecord>& group) {
  if (group.empty()) look_due_ = true;
  if (!parts_.topics.find(eventstore::resources_product)) return;  // a log that is being founded
  const auto of_projects = projects();
  const auto of_resources = resources();
  for (const auto& record : group) {
    const auto topic = record.log.topic;
    const bool matters = topic == of_projects || topic == of_resources;
    if (!matters || record.head.kind != eventstore::RecordKind::events) continue;
    const auto batch = schemas::BatchView::trusted(record.payload.bytes());
    if (is_ours(batch.organization())) follow(batch, topic);
  }
}

/// What an event says is a hint only; rows decide.
void Deprovisioning::follow(const schemas::BatchView& batch, TopicId topic) {
  for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
    const auto event = batch.event(i);
    Task task{.organization = batch.organization(),
              .space = batch.space(),
              .project = {},
              .hops = batch.hops()};
    if (topic == projects()) {
      if (event.type() != "project.deleted" && event.type() != "environment.deleted") continue;
      task.project = event.entity().id;
      task.because = event.id();
      task.correlation = batch.correlation();
      task.named = true;
    } else {
      const auto data = event.data();
      const auto* requested = std::get_if<schemas::ResourceRequested>(&data);
      if (requested == nullptr) continue;
      const projections::Reader reader(parts_.rows, task.organization, task.space);
      if (!is_gone(reader, requested->project, requested->environment)) continue;
      task.project = requested->project;
    }
    add(std::move(task));
  }
}

void Deprovisioning::add(Task task) {
  const projections::Reader reader(parts_.rows, task.organization, task.space);
  const bool has_any = reader
                           .list(resources(), ResourceOfProject::kind, true,
                                 {.after = {},
                                  .limit = 0,
                                  .as_of = {},
                                  .below = projections::resources_of(task.project),
                                  .filter = {}})
                           .more;
  if (!has_any) return;
  if (tasks_.size() >= tasks_max) {
    look_due_ = true;
    return;
  }
  const auto name = name_of(task);
  // One that has begun may have passed what comes now: it begins anew behind itself.
  const bool has_begun = !tasks_.empty() && (under_way_ > 0 || tasks_.front().after) &&
                         name == name_of(tasks_.front());
  if (!waiting_.insert(name).second && !has_begun) {
    const auto is_same = [&](const Task& other) { return name_of(other) == name; };
    auto& waiting = *std::ranges::find_if(tasks_, is_same);
    waiting.hops = std::max(waiting.hops, task.hops);
    return;
  }
  tasks_.push_back(std::move(task));
  boost::asio::post(parts_.core, [this] { step(); });
}

void Deprovisioning::tick() {
  if (!parts_.topics.find(eventstore::resources_product)) return;
  watch_ownership();
  if (look_due_ && tasks_.empty()) look();
  if (under_way_ == 0) refused_ = false;
  step();
}

void Deprovisioning::watch_ownership() {
  if (parts_.ownership == nullptr) return;
  std::set<std::uint16_t> ours;
  for (std::uint16_t i = 0; i < parts_.topics.partition_count(); ++i) {
    if (parts_.ownership->of({resources(), i}) != Ownership::Standing::ours) continue;
    ours.insert(i);
    look_due_ = look_due_ || !ours_.contains(i);
  }
  ours_ = std::move(ours);
}

/// At a start and when partitions come: everything that is there, once.
void Deprovisioning::look() {
  look_due_ = false;
  projections::each_scope(parts_.rows, [this](OrganizationId organization, Space space) {
    if (is_ours(organization)) {
      look_at(projections::Reader(parts_.rows, organization, space));
    }
  });
}

void Deprovisioning::look_at(const projections::Reader& reader) {
  projections::ListOptions options{
      .after = {}, .limit = 1000, .as_of = {}, .below = {}, .filter = {}};
  for (bool more = true; more;) {
    const auto page = reader.list(resources(), ResourceOfProject::kind, true, options);
    for (const auto& row : page.rows) {
      if (is_left_over(reader, row)) {
        add({.organization = reader.organization(),
             .space = reader.space(),
             .project = row.entity.id});
      }
    }
    more = page.more;
    if (more) options.after = page.rows.back().entity;
  }
}

/// One project at a time, a page of its resources after the other.
void Deprovisioning::step() {
  while (under_way_ == 0 && !refused_ && !tasks_.empty()) {
    auto& task = tasks_.front();
    run(task);
    if (under_way_ > 0) return;
    waiting_.erase(name_of(task));
    tasks_.pop_front();
  }
}

void Deprovisioning::run(Task& task) {
  const projections::Reader reader(parts_.rows, task.organization, task.space);
  const auto page =
      reader.list(resources(), ResourceOfProject::kind, true,
                  {.after = task.after,
                   .limit = at_once,
                   .as_of = {},
                   .below = projections::resources_of(task.project),
                   .filter = [&](const FoundRow& row) { return is_left_over(reader, row); }});
  if (page.rows.empty()) return;
  if (!std::exchange(task.named, true)) find_cause(task, reader);
  under_way_ = page.rows.size();
  const auto last = page.rows.back().entity;
  for (const auto& row : page.rows) {
    CommandContext context{.organization = task.organization,
                           .space = task.space,
                           .actor = {},
                           .rights = {},
                           .correlation = task.correlation,
                           .traceparent = {},
                           .idempotency = {},
                           .if_match = {},
                           .sequence = {},
                           .hops = task.hops,
                           .causation = task.because};
    parts_.commands.submit(
        std::move(context), DeprovisionResource{projections::resource_in(row.entity)},
        [this, last](Result<Outcome> outcome) {
          if (!outcome && !std::exchange(refused_, true)) {
            spdlog::warn("resources of a deleted project wait to be deprovisioned detail=\"{}\"",
                         outcome.error().detail);
          }
          if (--under_way_ > 0) return;
          if (refused_) return;  // the same page again, at the next tick
          tasks_.front().after = last;
          boost::asio::post(parts_.core, [this] { step(); });
        });
  }
}

/// The event that took away the project, or else an environment, where nobody told.
void Deprovisioning::find_cause(Task& task, const projections::Reader& reader) const {
  const Entity project{task.project, {}};
  if (reader.existence(projects(), Project::kind, project).there) return;
  const auto last =
      reader.events_of(projects(), Project::kind, project,
                       {.behind = {}, .direction = projections::Direction::descending, .limit = 1});
  if (last.empty()) return;
  const auto log = parts_.topics.log_of(projects(), task.organization);
  const auto record = parts_.log.read_one(log, last.front().offset);
  if (!record || record->head.kind != eventstore::RecordKind::events) return;
  const auto batch = schemas::BatchView::verify(record->payload.bytes());
  if (!batch || last.front().index >= batch->event_count()) return;
  task.because = batch->event(last.front().index).id();
  task.correlation = batch->correlation();
  task.hops = std::max(task.hops, batch->hops());
}

bool Deprovisioning::is_gone(const projections::Reader& reader, const Uuid& project,
                             std::string_view environment) const {
  return !reader.find(projects(), Project::kind, {project, {}}) ||
         !reader.find(projects(), Environment::kind,
                      projections::environment_entity(project, environment));
}

bool Deprovisioning::is_left_over(const projections::Reader& reader, const FoundRow& row) const {
  const auto environment = projections::decode_row<ResourceOfProject>(row.bytes).state.environment;
  if (!is_gone(reader, row.entity.id, environment)) return false;
  const auto resource =
      reader.get<Resource>(resources(), Entity{projections::resource_in(row.entity), {}});
  return resource && resource->state.status != Resource::Status::deprovisioning;
}

bool Deprovisioning::is_ours(OrganizationId organization) const {
  return parts_.ownership == nullptr ||
         parts_.ownership->of(parts_.topics.log_of(resources(), organization)) ==
             Ownership::Standing::ours;
}

TopicId Deprovisioning::projects() const {
  return *parts_.topics.find(eventstore::projects_product);
}
TopicId Deprovisioning::resources() const {
  return *parts_.topics.find(eventstore::resources_product);
}

}  // namespace manager
