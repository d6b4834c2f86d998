#include "api/resources/organizations.h"

#include "api/resources/answers.h"
#include "api/resources/lists.h"
#include "api/resources/reading.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using projections::FoundRow;
using projections::Organization;
using schemas::Entity;

constexpr MarkOwner platform{schemas::platform_organization, Space::live};

std::string path_of(const schemas::Uuid& id) {
  return "/v2/organizations/" + to_text(OrganizationId(id));
}

void render(std::string& out, const FoundRow& found) {
  auto row = projections::decode_row<Organization>(found.bytes);
  schemas::json::Writer(out)
      .begin_object()
      .member("id", to_text(OrganizationId(found.entity.id)))
      .member("name", row.state.name)
      .member("slug", row.state.slug)
      .member("state", to_text(row.state.status))
      .member("created_at", row.head.created_at)
      .member("updated_at", row.head.updated_at)
      .member("version", to_number(row.head.version))
      .end_object();
}

std::string json_of(const Entity& entity, std::string row) {
  std::string json;
  render(json, {entity, std::move(row)});
  return json;
}

bool sees(const Ask& ask, const schemas::Uuid& id) {
  const auto& caller = ask.caller();
  if (caller.restricted()) return false;
  return caller.platform() || caller.organization == OrganizationId(id);
}

Result<manager::CreateOrganization> parse_create(Value body) {
  ObjectReader reader(body);
  manager::CreateOrganization command;
  command.name = read_name(reader);
  if (!body.find("slug") && body.is_object()) {
    reader.wrong("slug", "is missing");
  }
  command.slug = read_slug(reader, body).value_or("");
  auto member = body.find("slug");
  if (member && member->is_null()) reader.wrong("slug", "must be a string");
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return command;
}

bool fits_filters(const Ask& ask, const FoundRow& found) {
  auto row = projections::decode_row<Organization>(found.bytes);
  return picked(ask, "state", to_text(row.state.status)) && picked(ask, "slug", row.state.slug);
}

/// The list of who belongs to one organization: that one, found without looking at the others.
Answer list_own(Ask& ask) {
  auto request = parse_list(ask);
  if (!request) co_return std::unexpected(std::move(request).error());
  auto reading = co_await open_list(ask, ask.platform(), *request);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const Entity own{ask.caller().organization.uuid(), {}};
  projections::Reader::Page page;
  auto row = sees(ask, own.id) ? reading->find(Organization::kind, own) : std::nullopt;
  if (row && !request->cursor) page.rows.push_back({own, std::move(*row)});
  std::erase_if(page.rows, [&](const FoundRow& found) {
    return !in_created_range(*request, found) || !fits_filters(ask, found);
  });
  co_return http::json_response(200, page_json(ask, *request, *reading, page, render));
}

/// Runs a change of an organization that exists and answers what it is afterwards.
Answer change(Ask& ask, manager::Command command) {
  auto outcome = co_await write(ask, platform, std::move(command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return changed(*outcome, json_of(outcome->subject, outcome->row));
}

}  // namespace

Result<schemas::Uuid> organization_in_path(const Ask& ask) {
  auto id = schemas::parse_organization(ask.request.captured("organization_id"));
  if (!id || *id == schemas::platform_organization || !sees(ask, id->uuid())) {
    return edge::not_found("organization with this id");
  }
  return id->uuid();
}

// POST /v2/organizations
Answer create_organization(Ask& ask) {
  auto command = parse_create(ask.body());
  if (!command) co_return std::unexpected(std::move(command).error());
  auto outcome = co_await write(ask, platform, std::move(*command));
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return created(*outcome, path_of(outcome->subject.id),
                    json_of(outcome->subject, outcome->row));
}

// GET /v2/organizations
Answer list_organizations(Ask& ask) {
  if (!ask.caller().platform() || ask.caller().restricted()) return list_own(ask);
  ListSpec spec{.kind = Organization::kind, .keep = {}, .render = render};
  if (filtered(ask, {"state", "slug"})) {
    spec.keep = [&ask](const FoundRow& found) { return fits_filters(ask, found); };
  }
  return list_answer(ask, ask.platform(), std::move(spec));
}

// GET /v2/organizations/{organization_id}
Answer get_organization(Ask& ask) {
  auto id = organization_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  auto reading = co_await open_reading(ask, ask.platform(), View::row);
  if (!reading) co_return std::unexpected(std::move(reading).error());
  const Entity entity{*id, {}};
  auto row = reading->find(Organization::kind, entity);
  if (!row) co_return edge::not_found("organization with this id");
  auto version = projections::decode_head(*row, nullptr).version;
  co_return entity_answer(ask, version, json_of(entity, std::move(*row)));
}

// PATCH /v2/organizations/{organization_id}
Answer change_organization(Ask& ask) {
  auto id = organization_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  if (ask.caller().space == Space::test) {
    co_return schemas::fail(schemas::ErrorCode::forbidden,
                            "an organization is live data; use a live key");
  }
  auto patch = parse_name_and_slug_patch(ask.body());
  if (!patch) co_return std::unexpected(std::move(patch).error());
  co_return co_await change(
      ask, manager::ChangeOrganization{*id, std::move(patch->name), std::move(patch->slug)});
}

// POST /v2/organizations/{organization_id}/suspend
Answer suspend_organization(Ask& ask) {
  auto id = organization_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await change(ask, manager::SuspendOrganization{*id});
}

// POST /v2/organizations/{organization_id}/resume
Answer resume_organization(Ask& ask) {
  auto id = organization_in_path(ask);
  if (!id) co_return std::unexpected(std::move(id).error());
  co_return co_await change(ask, manager::ResumeOrganization{*id});
}

}  // namespace api::resources
