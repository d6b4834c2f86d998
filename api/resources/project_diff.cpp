#include "api/resources/project_diff.h"

#include <deque>

#include "api/resources/pool.h"
#include "api/resources/project_parts.h"
#include "api/resources/project_paths.h"
#include "api/resources/reading.h"
#include "api/resources/secrets.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Reader;
using schemas::Entity;

/// Everything of one kind that has the project's id, as of one moment, in order.
class Rows {
 public:
  Rows(const Reader& reader, TopicId topic, std::string_view kind, const schemas::Uuid& project,
       std::int64_t offset)
      : reader_(reader),
        topic_(topic),
        kind_(kind),
        options_{.limit = page_rows, .as_of = offset, .below = Entity{project, {}}, .filter = {}} {}

  /// Null at the end.
  const FoundRow* first() {
    if (page_.empty() && more_) read();
    return page_.empty() ? nullptr : &page_.front();
  }
  FoundRow take() {
    auto row = std::move(page_.front());
    page_.pop_front();
    return row;
  }

 private:
  static constexpr std::size_t page_rows = 200;
  void read() {
    auto page = reader_.list(topic_, kind_, true, options_);
    more_ = page.more;
    if (!page.rows.empty()) options_.after = page.rows.back().entity;
    for (auto& row : page.rows) page_.push_back(std::move(row));
  }

  const Reader& reader_;
  TopicId topic_;
  std::string_view kind_;
  projections::ListOptions options_;
  std::deque<FoundRow> page_;
  bool more_ = true;
};

struct Change {
  std::optional<FoundRow> from;
  std::optional<FoundRow> to;
};

/// The next entity that is there at one of the two moments.
std::optional<Change> next(Rows& from, Rows& to) {
  const auto* before = from.first();
  const auto* after = to.first();
  if (before == nullptr && after == nullptr) return std::nullopt;
  const bool takes_before =
      before != nullptr && (after == nullptr || before->entity <= after->entity);
  const bool takes_after =
      after != nullptr && (before == nullptr || after->entity <= before->entity);
  Change change;
  if (takes_before) change.from = from.take();
  if (takes_after) change.to = to.take();
  return change;
}

bool is_change(const Change& change) {
  if (!change.from || !change.to) return true;
  const auto version = [](const FoundRow& row) {
    return projections::decode_head(row.bytes, nullptr).version;
  };
  return version(*change.from) != version(*change.to);
}

struct Kind {
  std::string_view name;
  std::string_view permission;  // without it, nothing of the kind is shown
  Render render;
};

void render_settings(std::string& out, const FoundRow& found) {
  out += projections::decode_row<projections::Settings>(found.bytes).state.json;
}

void write_change(std::string& json, const Kind& kind, const Change& change) {
  const auto& entity = (change.to ? change.to : change.from)->entity;
  const auto* what = !change.from ? "created" : !change.to ? "deleted" : "changed";
  const auto rendered = [&](const std::optional<FoundRow>& row) {
    std::string text;
    row ? kind.render(text, *row) : void(text = "null");
    return text;
  };
  if (json.back() != '[') json.push_back(',');
  schemas::json::Writer(json)
      .begin_object()
      .member("kind", kind.name)
      .member("subject", schemas::entity_text(kind.name, entity))
      .member("change", what)
      .name("from")
      .raw(rendered(change.from))
      .name("to")
      .raw(rendered(change.to))
      .end_object();
}

/// Whether there were more.
bool write_changes(std::string& json, const Span& span, const schemas::Uuid& project,
                   const edge::Caller& caller, std::span<const Kind> kinds) {
  const auto reader = span.reading.reader();
  const auto topic = span.reading.place().topic;
  std::size_t count = 0;
  for (const auto& kind : kinds) {
    if (!caller.may(kind.permission)) continue;
    Rows from(reader, topic, kind.name, project, span.from.offset);
    Rows to(reader, topic, kind.name, project, span.to.offset);
    while (const auto change = next(from, to)) {
      if (!is_change(*change)) continue;
      if (count++ == changes_max || json.size() > page_bytes_max) return true;
      write_change(json, kind, *change);
    }
  }
  return false;
}

}  // namespace

// GET /v2/projects/{project_id}/diff
Answer diff_project(Ask& ask) {
  auto project = project_in_path(ask);
  if (!project) co_return std::unexpected(std::move(project).error());
  auto span = co_await open_span(ask, ask.projects());
  if (!span) co_return std::unexpected(std::move(span).error());
  const auto mark = [&](const schemas::MarkedPosition& position) {
    return schemas::json::quote(
        ask.services.marks.encode(ask.here().organization, ask.here().space, {&position, 1}));
  };
  const auto organization = ask.here().organization;
  const std::array<Kind, 5> kinds{
      {{projections::Project::kind, "projects:read",
        [organization](std::string& out, const FoundRow& found) {
          render_project(out, organization, found);
        }},
       {projections::Environment::kind, "projects:read", render_environment},
       {projections::Member::kind, "members:read", render_member},
       {projections::Settings::kind, "settings:read", render_settings},
       {projections::Secret::kind, "secrets:read", render_secret}}};
  auto compare = [&]() -> Result<std::string> {
    const auto reader = span->reading.reader();
    const auto topic = span->reading.place().topic;
    if (reader.existence(topic, projections::Project::kind, {*project, {}}).version ==
        schemas::Version{}) {
      return no_project();
    }
    auto json = R"({"from":)" + mark(span->from) + R"(,"to":)" + mark(span->to) + R"(,"changes":[)";
    const bool more = write_changes(json, *span, *project, ask.caller(), kinds);
    json += more ? R"(],"truncated":true})" : R"(],"truncated":false})";
    return json;
  };
  auto json = co_await answer_on(ask.services.scans, compare);
  if (!json) co_return std::unexpected(std::move(json).error());
  co_return http::json_response(200, std::move(*json));
}

}  // namespace api::resources
