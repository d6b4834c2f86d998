#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "eventstore/log.h"
#include "eventstore/topics.h"
#include "manager/command_handler.h"
#include "manager/ownership.h"
#include "projections/read_store.h"
#include "projections/reader.h"

namespace manager {

/// Resources go when their project goes, or their environment: a saga whose steps are events.
///
///     project.deleted, environment.deleted ─┐
///     resource.requested that came late ────┼─► project ─► each of its resources:
///     DeprovisionResource a look at what is left over ──────────┘              (its events say
///     because of which event)
///
/// A resource refers to its project's rows as they were when it was decided; here the two meet
/// again, whichever came first. Nothing is kept beside rows and log: whoever is killed between two
/// steps looks, at its next start, at what is left over, and so does a process that becomes the
/// owner of a partition. Only the owner of an organization's resources acts. To ask twice does no
/// harm.
///
/// Core thread. Bounded: beyond `tasks_max` projects the rest is found by another look.
class Deprovisioning {
 public:
  struct Parts {
    boost::asio::any_io_executor core;
    eventstore::Log& log;
    const eventstore::Topics& topics;
    const projections::ReadStore& rows;
    Commands& commands;
    const Ownership* ownership = nullptr;
  };
  explicit Deprovisioning(Parts parts) : parts_(std::move(parts)) {}

  static constexpr std::size_t tasks_max = 10'000;
  /// So many commands are under way at a time: they do not crowd out anybody's.
  static constexpr std::size_t at_once = 32;

  /// A group is in the rows; an empty one: anything may be.
  void applied(const std::vector<eventstore::StoredRecord>& group);
  /// About every second: looks when it is time to, and tries again what was refused.
  void tick();

 private:
  struct Task {
    schemas::OrganizationId organization;
    Space space;
    Uuid project;
    std::optional<schemas::EventId> because = {};  // the event; none: to be found
    std::string correlation = {};
    std::uint8_t hops = 0;
    std::optional<Entity> after = {};
    bool named = false;  // because was looked for
  };
  using Name = std::tuple<Uuid, Space, Uuid>;
  static Name name_of(const Task& task);

  void follow(const schemas::BatchView& batch, schemas::TopicId topic);
  void look();
  void look_at(const projections::Reader& reader);
  void add(Task task);
  void step();
  void run(Task& task);
  void find_cause(Task& task, const projections::Reader& reader) const;
  bool is_gone(const projections::Reader& reader, const Uuid& project,
               std::string_view environment) const;
  bool is_left_over(const projections::Reader& reader, const projections::FoundRow& row) const;
  bool is_ours(schemas::OrganizationId organization) const;
  void watch_ownership();
  schemas::TopicId projects() const;
  schemas::TopicId resources() const;

  Parts parts_;
  std::deque<Task> tasks_;
  std::set<Name> waiting_;  // those in tasks_
  std::size_t under_way_ = 0;
  bool refused_ = false;  // one of those under way: the next tick tries again
  bool look_due_ = true;
  std::set<std::uint16_t> ours_;  // partitions of resources
};

}  // namespace manager
