#include "api/resources/event_json.h"

#include "api/resources/resource_event_json.h"
#include "api/resources/sealed_fields.h"
#include "api/resources/webhook_event_json.h"
#include "projections/states.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::resources {
namespace {

using schemas::json::Writer;

template <typename... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};

void write_texts(Writer& writer, std::string_view name,
                 const std::vector<std::string_view>& texts) {
  writer.name(name).begin_array();
  for (auto text : texts) writer.value(text);
  writer.end_array();
}

void write_created(Writer& writer, std::string_view name, std::string_view slug) {
  writer.begin_object().member("name", name).member("slug", slug).end_object();
}

void write_changed(Writer& writer, std::optional<std::string_view> name,
                   std::optional<std::string_view> slug) {
  writer.begin_object();
  if (name) writer.member("name", *name);
  if (slug) writer.member("slug", *slug);
  writer.end_object();
}

/// Neither digests nor anything else that a key could be guessed from.
void write_key_created(Writer& writer, const schemas::KeyCreated& key) {
  writer.begin_object().member("name", key.name);
  write_texts(writer, "permissions", key.permissions);
  if (key.projects) {
    write_texts(writer, "projects", *key.projects);
  } else {
    writer.name("projects").null();
  }
  writer.member("expires_at", key.expires)
      .member("hint", key.credential.hint)
      .member("platform", key.platform)
      .end_object();
}

void write_nothing(Writer& writer) {
  writer.begin_object().end_object();
}

void write_role(Writer& writer, schemas::Role role) {
  writer.begin_object().member("role", projections::to_text(role)).end_object();
}

/// `opened`: of an event of a declared product that has sealed values.
void write_data(Writer& writer, const schemas::EventData& data,
                std::optional<std::string_view> opened) {
  std::visit(
      Overloaded{
          [&](const schemas::UnknownEvent&) { writer.null(); },
          [&](const schemas::Json& json) { writer.raw(opened.value_or(json.text)); },
          [&](const schemas::OrganizationCreated& e) { write_created(writer, e.name, e.slug); },
          [&](const schemas::OrganizationChanged& e) { write_changed(writer, e.name, e.slug); },
          [&](const schemas::OrganizationSuspended&) { write_nothing(writer); },
          [&](const schemas::OrganizationResumed&) { write_nothing(writer); },
          [&](const schemas::KeyCreated& e) { write_key_created(writer, e); },
          [&](const schemas::KeyRotated& e) {
            writer.begin_object()
                .member("hint", e.credential.hint)
                .member("old_expires_at", e.old_expires)
                .end_object();
          },
          [&](const schemas::KeyRevoked&) { write_nothing(writer); },
          [&](const schemas::ProductDeclared& e) { writer.raw(e.manifest); },
          [&](const schemas::ProjectCreated& e) { write_created(writer, e.name, e.slug); },
          [&](const schemas::ProjectChanged& e) { write_changed(writer, e.name, e.slug); },
          [&](const schemas::ProjectArchived&) { write_nothing(writer); },
          [&](const schemas::ProjectRestored&) { write_nothing(writer); },
          [&](const schemas::ProjectDeleted&) { write_nothing(writer); },
          [&](const schemas::EnvironmentCreated&) { write_nothing(writer); },
          [&](const schemas::EnvironmentDeleted&) { write_nothing(writer); },
          [&](const schemas::MemberAdded& e) { write_role(writer, e.role); },
          [&](const schemas::MemberRoleChanged& e) { write_role(writer, e.role); },
          [&](const schemas::MemberRemoved&) { write_nothing(writer); },
          [&](const schemas::SettingsChanged& e) {
            writer.begin_object().name("patch").raw(e.patch).end_object();
          },
          // Never the value, not even sealed.
          [&](const schemas::SecretSet&) { write_nothing(writer); },
          [&](const schemas::SecretRevealed& e) {
            writer.begin_object().member("version", to_number(e.version)).end_object();
          },
          [&](const schemas::SecretDeleted&) { write_nothing(writer); },
          [&](const auto& e) {
            if constexpr (requires { write_webhook_data(writer, e); }) {
              write_webhook_data(writer, e);
            } else {
              write_resource_data(writer, e);
            }
          },
      },
      data);
}

}  // namespace

schemas::Result<void> append_event(std::string& out, const schemas::BatchView& batch,
                                   std::uint32_t index, std::string_view product,
                                   std::string_view mark, eventstore::Sealing* sealing) {
  const auto event = batch.event(index);
  const auto data = event.data();
  const auto* json = std::get_if<schemas::Json>(&data);
  std::optional<std::string> opened;
  if (sealing != nullptr && json != nullptr && schemas::may_hold_sealed(json->text)) {
    const auto entity = event.entity();
    auto text = open_sealed(
        *sealing, {batch.organization(), batch.space(), product, event.kind(), entity.name},
        json->text);
    if (!text) return std::unexpected(std::move(text).error());
    opened = std::move(*text);
  }
  Writer writer(out);
  writer.begin_object()
      .member("specversion", "1.0")
      .member("id", to_text(event.id()))
      .member("source", "/products/" + std::string(product))
      .member("type", event.type())
      .member("subject", schemas::entity_text(event.kind(), event.entity()))
      .member("time", event.occurred())
      .member("datacontenttype", "application/json");
  if (json != nullptr) {
    writer.member("dataschema", "/v2/products/" + std::string(product) +
                                    "?version=" + std::to_string(event.schema()));
  }
  writer.member("organization", to_text(batch.organization()))
      .member("space", to_text(batch.space()))
      .member("kind", event.kind())
      .member("entityversion", to_number(event.version()))
      .member("recordedtime", batch.recorded())
      .member("actor", to_text(batch.actor()))
      .member("correlationid", batch.correlation());
  if (auto causation = event.causation()) writer.member("causationid", to_text(*causation));
  if (const auto replay = batch.replay()) {
    writer.member("replayid", to_text(schemas::ReplayId(*replay)));
  }
  if (batch.hops() > 0) writer.member("hops", batch.hops());
  if (!batch.traceparent().empty()) writer.member("traceparent", batch.traceparent());
  if (!mark.empty()) writer.member("mark", mark);
  writer.name("data");
  write_data(writer, data, opened);
  writer.end_object();
  return {};
}

}  // namespace api::resources
