// Goal: whatever is asked in whatever order, and whenever the log commits, refuses, loses an
// outcome or the process dies: every answer is what a plain model says, answers of a partition come
// in the order of their commands, nothing is answered or shown before it is durable, and the rows
// are the model's, also after a crash and a rebuild. Method: thousands of short random lives of a
// World beside the model. A failing seed is printed; run it alone with TIDEMARK_SEED=n.

#include <random>

#include <gtest/gtest.h>

#include "tests/manager/random_model.h"
#include "tests/support/world.h"

namespace manager {
namespace {

using projections::Declared;
using projections::Project;

const schemas::Error disk_full{ErrorCode::disk_full, "no space", {}, {}};

/// One command as the model knows it: what it asks, and what it does if it is accepted.
struct Asked {
  Corner corner;
  std::string product;
  CommandContext context;
  Command command;
  std::string request;
  Expectation expected;
  std::function<void(ModelState&)> effect;  // empty: writes no record
};

class RandomLife {
 public:
  explicit RandomLife(std::uint32_t seed) : random_(seed) {}

  void run() {
    start();
    for (int step = 0; step < 50 && !testing::Test::HasFailure(); ++step) {
      switch (draw(14)) {
        case 0:
        case 1:
          commit();
          break;
        case 2:
          if (draw(3) == 0) refuse();
          break;
        case 3:
          if (draw(4) == 0) lose_outcome();
          break;
        case 4:
          if (draw(4) == 0) crash();
          break;
        case 5:
          world_.clock().pass(std::chrono::hours{draw(10)});
          break;
        default:
          ask();
      }
    }
    commit();
    const auto hash = world_.hash();
    world_.crash(draw(8));
    EXPECT_EQ(world_.hash(), hash) << "after a crash";
    world_.rebuild();
    EXPECT_EQ(world_.hash(), hash) << "after a rebuild";
    check_rows();
  }

 private:
  using Lane = std::pair<std::string, std::uint16_t>;
  struct Pending {
    Asked asked;
    bool waits;
    std::optional<Result<Outcome>> result = {};
    std::uint64_t answered_at = 0;
  };

  std::uint32_t draw(std::uint32_t below) { return random_() % below; }

  /// Every partition is claimed and the product declared, so that each commit holds records only.
  void start() {
    ASSERT_TRUE(world_.run(platform(), DeclareProduct{"git", R"({"kinds":{"file":{"events":{
        "file.set":{"fold":"replace"},"file.gone":{"fold":"delete"}}}}})"}));
    for (std::uint8_t i = 1; i <= 3; ++i) {
      const OrganizationId organization(schemas::Uuid{{i}});
      for (auto space : {Space::live, Space::test}) states_[{organization, space}] = {};
      ASSERT_TRUE(world_.run(of(organization), CreateProject{"first", "first"}));
      ASSERT_TRUE(world_.run(of(organization), append({{"first", false}})));
      learn({organization, Space::live}, next_project_, "first");
      auto& state = states_[{organization, Space::live}];
      state.projects[next_project_++] = {"first", "first", false, 1};
      state.files["first"] = {true, 1, "{}"};
    }
    durable_ = states_;
  }

  // ---- asking ----

  static AppendEvents append(const std::vector<std::pair<std::string, bool>>& events) {
    AppendEvents command{.product = "git", .events = {}, .conditions = {}};
    for (const auto& [name, gone] : events) {
      command.events.push_back({"file", name, gone ? "file.gone" : "file.set", "{}", {}});
    }
    return command;
  }

  void ask() {
    auto corner =
        std::next(states_.begin(), draw(static_cast<std::uint32_t>(states_.size())))->first;
    Asked asked{.corner = corner,
                .product = {},
                .context = of(corner.organization, corner.space),
                .command = CreateProject{},
                .request = {},
                .expected = {},
                .effect = {}};
    if (draw(4) == 0) asked.context = if_match(asked.context, 1 + draw(3));
    draw(2) == 0 ? ask_project(asked) : ask_files(asked);
    if (draw(3) == 0) {
      const auto key = asked.product + std::to_string(draw(4));
      asked.context = with_key(asked.context, key, asked.request);
      remember(asked, key);
    }
    if (asked.effect) asked.effect(states_[corner]);
    send(std::move(asked));
  }

  void remember(Asked& asked, const std::string& key) {
    const auto now = world_.clock().wall();
    auto& remembered = states_[asked.corner].remembered;
    auto found = remembered.find(key);
    if (found != remembered.end() && found->second.recorded + std::chrono::hours{24} > now) {
      asked.effect = {};
      if (found->second.request == asked.request) {
        asked.expected = found->second.first;
        asked.expected.replayed = true;
      } else {
        asked.expected = {.refused = ErrorCode::idempotency_key_reused};
      }
      return;
    }
    if (!asked.effect) return;
    asked.effect = [effect = std::move(asked.effect), key, now, request = asked.request,
                    expected = asked.expected](ModelState& state) {
      effect(state);
      state.remembered[key] = {request, expected, now};
    };
  }

  void ask_project(Asked& asked) {
    asked.product = "projects";
    const auto& state = states_[asked.corner];
    const std::string slug = "s" + std::to_string(draw(4));
    std::vector<int> known;
    for (const auto& [number, id] : ids_) {
      if (corners_.at(number) == asked.corner) known.push_back(number);
    }
    if (known.empty() || draw(3) == 0) {
      asked.command = CreateProject{"n", slug};
      asked.request = "create " + slug;
      if (state.slug_taken(slug)) {
        asked.expected.refused = ErrorCode::slug_taken;
        return;
      }
      const int number = next_project_++;
      asked.expected = {.versions = {1}, .project = number};
      asked.effect = [number, slug](ModelState& s) { s.projects[number] = {"n", slug}; };
      return;
    }
    ask_known_project(asked, known[draw(static_cast<std::uint32_t>(known.size()))], slug);
  }

  void ask_known_project(Asked& asked, int number, const std::string& slug) {
    const auto& state = states_[asked.corner];
    const auto id = ids_.at(number);
    const auto action = draw(5);
    std::optional<std::string> name;
    std::optional<std::string> other_slug;
    if (action <= 1 && draw(2) == 0) name = "n" + std::to_string(draw(2));
    if (action <= 1 && draw(2) == 0) other_slug = slug;
    if (action <= 1) asked.command = ChangeProject{id, name, other_slug};
    if (action == 2) asked.command = ArchiveProject{id};
    if (action == 3) asked.command = RestoreProject{id};
    if (action == 4) asked.command = DeleteProject{id};
    asked.request =
        std::to_string(action) + " " + std::to_string(number) + name.value_or("-") +
        other_slug.value_or("-") +
        (asked.context.if_match ? std::to_string(to_number(*asked.context.if_match)) : "");
    const auto found = state.projects.find(number);
    auto& expected = asked.expected;
    expected.project = number;
    if (found == state.projects.end()) {
      expected.refused = ErrorCode::not_found;
      return;
    }
    const auto& project = found->second;
    if (asked.context.if_match && to_number(*asked.context.if_match) != project.version) {
      expected.refused = ErrorCode::precondition_failed;
      return;
    }
    if ((action <= 2 && project.archived) || (action == 3 && !project.archived)) {
      expected.refused = ErrorCode::invalid_transition;
      return;
    }
    if (action <= 1) {
      if (name == project.name) name.reset();
      if (other_slug == project.slug) other_slug.reset();
      expected.unchanged = !name && !other_slug;
      if (expected.unchanged) return;
      if (other_slug && state.slug_taken(*other_slug)) {
        expected.refused = ErrorCode::slug_taken;
        return;
      }
    }
    expected.versions = {project.version + 1};
    asked.effect = [=](ModelState& s) {
      auto& changed = s.projects.at(number);
      ++changed.version;
      if (name) changed.name = *name;
      if (other_slug) changed.slug = *other_slug;
      if (action == 2) changed.archived = true;
      if (action == 3) changed.archived = false;
      if (action == 4) s.projects.erase(number);
    };
  }

  void ask_files(Asked& asked) {
    asked.product = "git";
    const auto& state = states_[asked.corner];
    std::vector<std::pair<std::string, bool>> events;
    for (auto count = 1 + draw(3); count > 0; --count) {
      events.emplace_back("f" + std::to_string(draw(3)), draw(3) == 0);
      asked.request += events.back().first + (events.back().second ? "-" : "+");
    }
    auto command = append(events);
    if (draw(2) == 0) {
      const std::string name = "f" + std::to_string(draw(3));
      const Expected expectation{static_cast<Expected::Case>(draw(6)), Version{draw(4)}};
      command.conditions.push_back({"file", name, expectation});
      asked.request += " if " + name + to_text(expectation);
      const auto found = state.files.find(name);
      const auto file = found == state.files.end() ? ModelFile{} : found->second;
      if (!is_met(expectation, file)) asked.expected.refused = ErrorCode::version_conflict;
    }
    asked.command = std::move(command);
    if (const auto& version = asked.context.if_match; version && !asked.expected.refused) {
      asked.request += " at " + std::to_string(to_number(*version));
      const auto first = state.files.find(events.front().first);
      const auto current = first == state.files.end() ? 0 : first->second.version;
      if (to_number(*version) != current) asked.expected.refused = ErrorCode::precondition_failed;
    }
    if (asked.expected.refused) return;
    std::map<std::string, ModelFile> after = state.files;
    for (const auto& [name, gone] : events) {
      auto& file = after[name];
      file = {!gone, file.version + 1, gone ? "" : "{}"};
      asked.expected.versions.push_back(file.version);
    }
    asked.effect = [events](ModelState& s) {
      for (const auto& [name, gone] : events) {
        auto& file = s.files[name];
        file = {!gone, file.version + 1, gone ? "" : "{}"};
      }
    };
  }

  // ---- sending and answers ----

  Lane lane_of(const Asked& asked) const {
    return {asked.product, schemas::partition_of(asked.corner.organization, 4)};
  }

  void send(Asked asked) {
    const auto lane = lane_of(asked);
    const bool waits = asked.effect || in_flight_.contains(lane);
    if (asked.effect) in_flight_.insert(lane);
    auto context = asked.context;
    auto command = asked.command;
    auto pending = std::make_shared<Pending>(std::move(asked), waits);
    pending_.push_back(pending);
    world_.send(std::move(context), std::move(command), [this, pending](Result<Outcome> result) {
      ASSERT_FALSE(pending->result) << "answered twice";
      pending->result = std::move(result);
      pending->answered_at = ++answers_;
    });
    ASSERT_EQ(pending->result.has_value(), !pending->waits)
        << "an answer waits for what is in flight before it, and for nothing else";
    if (pending->waits) return;
    check(*pending, {});
    pending_.pop_back();
  }

  void check(const Pending& pending, std::optional<ErrorCode> failure) {
    const auto& expected = pending.asked.expected;
    ASSERT_TRUE(pending.result.has_value()) << "no answer: " << pending.asked.request;
    const auto refused = failure ? failure : expected.refused;
    ASSERT_EQ(pending.result->has_value(), !refused.has_value())
        << pending.asked.request
        << (pending.result->has_value() ? "" : ": " + pending.result->error().detail);
    if (refused) {
      ASSERT_EQ(pending.result->error().code, *refused) << pending.asked.request;
      return;
    }
    const auto& outcome = **pending.result;
    ASSERT_EQ(outcome.unchanged, expected.unchanged) << pending.asked.request;
    ASSERT_EQ(outcome.replayed, expected.replayed) << pending.asked.request;
    std::vector<std::uint64_t> versions;
    for (const auto& event : outcome.events) versions.push_back(to_number(event.version));
    ASSERT_EQ(versions, expected.versions) << pending.asked.request;
    if (expected.project < 0) return;
    auto [known, is_new] = ids_.try_emplace(expected.project, outcome.subject.id);
    if (is_new) corners_.emplace(expected.project, pending.asked.corner);
    ASSERT_EQ(known->second, outcome.subject.id) << pending.asked.request;
  }

  /// Checks every answer that waited, and that each lane's came in its order.
  void settle(std::optional<ErrorCode> failure) {
    std::map<Lane, std::uint64_t> last;
    for (const auto& pending : pending_) {
      check(*pending, failure);
      if (testing::Test::HasFatalFailure()) return;
      auto& before = last[lane_of(pending->asked)];
      ASSERT_LT(before, pending->answered_at) << "an answer passed another";
      before = pending->answered_at;
    }
    pending_.clear();
    in_flight_.clear();
  }

  // ---- what the log does ----

  void commit() {
    world_.settle();
    settle({});
    durable_ = states_;
    check_rows();
  }

  void refuse() {
    if (pending_.empty()) return;
    world_.log().refuse_next(disk_full);
    world_.settle();
    settle(ErrorCode::disk_full);
    states_ = durable_;
    check_rows();
  }

  void lose_outcome() {
    if (pending_.empty()) return;
    std::vector<Asked> records;
    for (const auto& pending : pending_) {
      if (pending->asked.effect) records.push_back(pending->asked);
    }
    const auto kept = draw(static_cast<std::uint32_t>(records.size()) + 1);
    world_.log().lose_next_outcome(kept);
    world_.settle();
    settle(ErrorCode::outcome_unknown);
    world_.crash(draw(4));
    states_ = durable_;
    for (std::uint32_t i = 0; i < kept; ++i) {
      auto& state = states_[records[i].corner];
      records[i].effect(state);
      const int number = records[i].expected.project;
      if (const auto* created = std::get_if<CreateProject>(&records[i].command)) {
        learn(records[i].corner, number, *created->slug);
      }
    }
    durable_ = states_;
    check_rows();
  }

  void crash() {
    world_.crash(draw(4));
    pending_.clear();
    in_flight_.clear();
    states_ = durable_;
    check_rows();
  }

  /// The id of a project whose creation nobody answered. A later record may have changed its slug.
  void learn(const Corner& corner, int number, const std::string& slug) {
    auto reader = world_.reader(corner.organization, corner.space);
    const auto topic = world_.topic("projects");
    if (auto holder = reader.unique(topic, Project::kind, "slug", slug)) {
      const auto id = projections::parse_entity_key(*holder, true).id;
      for (const auto& [other, other_id] : ids_) {
        if (other_id == id) return;
      }
      ids_[number] = id;
      corners_.emplace(number, corner);
    }
  }

  // ---- the rows ----

  void check_rows() {
    for (const auto& [corner, state] : durable_) {
      auto reader = world_.reader(corner.organization, corner.space);
      auto projects = reader.list(world_.topic("projects"), Project::kind, true, {.limit = 1000});
      std::map<std::string, std::string> found;
      for (const auto& row : projects.rows) {
        const auto project = projections::decode_row<Project>(row.bytes);
        found[project.state.slug] = shown(project.state.name, to_number(project.head.version),
                                          project.state.status == Project::Status::archived);
      }
      std::map<std::string, std::string> expected;
      for (const auto& [number, project] : state.projects) {
        expected[project.slug] = shown(project.name, project.version, project.archived);
      }
      ASSERT_EQ(found, expected);
      for (const auto& [name, file] : state.files) {
        auto existence = reader.existence(world_.topic("git"), "file", {{}, name});
        ASSERT_EQ(existence.there, file.there) << name;
        ASSERT_EQ(to_number(existence.version), file.version) << name;
      }
    }
  }
  static std::string shown(const std::string& name, std::uint64_t version, bool archived) {
    return name + " v" + std::to_string(version) + (archived ? " archived" : "");
  }

  std::mt19937 random_;
  World world_;
  ModelStates states_;   // with everything in flight
  ModelStates durable_;  // as of the last commit
  std::map<int, Uuid> ids_;
  std::map<int, Corner> corners_;
  int next_project_ = 0;
  std::vector<std::shared_ptr<Pending>> pending_;
  std::set<Lane> in_flight_;
  std::uint64_t answers_ = 0;
};

TEST(Random, LivesOfManyOrganizationsAreWhatTheModelSays) {
  std::uint32_t from = 0;
  std::uint32_t to = 2'500;
  if (const char* seed = std::getenv("TIDEMARK_SEED")) {
    from = static_cast<std::uint32_t>(std::stoul(seed));
    to = from + 1;
  }
  for (auto seed = from; seed < to; ++seed) {
    SCOPED_TRACE(testing::Message() << "TIDEMARK_SEED=" << seed);
    RandomLife(seed).run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace manager
