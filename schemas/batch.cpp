#include "schemas/batch.h"

#include <cstring>

#include "fb/batch_generated.h"
#include "schemas/batch_values.h"
#include "schemas/batch_webhooks.h"
#include "schemas/result.h"

namespace schemas {
namespace {

using buffer::optional_uuid;
using buffer::optional_view;
using buffer::to_number;
using buffer::to_time;
using buffer::view;
using flatbuffers::FlatBufferBuilder;
template <typename T>
using Ref = flatbuffers::Offset<T>;

const fb::Batch& batch(const void* table) {
  return *static_cast<const fb::Batch*>(table);
}
const fb::Event& event(const void* table) {
  return *static_cast<const fb::Event*>(table);
}

fb::Uuid to_fb(const Uuid& uuid) {
  return fb::Uuid(uuid.bytes);
}
fb::Digest to_fb(const ShortDigest& digest) {
  return fb::Digest(digest);
}

ShortDigest from_fb(const fb::Digest* digest) {
  ShortDigest result{};
  if (digest != nullptr) std::memcpy(result.data(), digest->bytes()->data(), 16);
  return result;
}

/// Writes one alternative of EventData as a union member.
class DataBuilder {
 public:
  explicit DataBuilder(FlatBufferBuilder& builder) : b_(builder) {}

  using Texts = Ref<flatbuffers::Vector<Ref<flatbuffers::String>>>;
  using Written = std::pair<fb::EventData, Ref<void>>;

  Written operator()(const UnknownEvent&) const {
    constexpr bool unknown_events_are_never_written = false;
    ENSURE(unknown_events_are_never_written);
    return {};
  }
  Written operator()(const Json& data) const {
    return {fb::EventData::Json,
            fb::CreateJson(b_, text(data.text), static_cast<fb::Fold>(data.fold),
                           data.keep.versions, data.keep.seconds)
                .Union()};
  }
  Written operator()(const OrganizationCreated& data) const {
    auto name = text(data.name);
    return {fb::EventData::OrganizationCreated,
            fb::CreateOrganizationCreated(b_, name, text(data.slug)).Union()};
  }
  Written operator()(const OrganizationChanged& data) const {
    auto name = text(data.name);
    return {fb::EventData::OrganizationChanged,
            fb::CreateOrganizationChanged(b_, name, text(data.slug)).Union()};
  }
  Written operator()(const OrganizationSuspended&) const {
    return {fb::EventData::OrganizationSuspended, fb::CreateOrganizationSuspended(b_).Union()};
  }
  Written operator()(const OrganizationResumed&) const {
    return {fb::EventData::OrganizationResumed, fb::CreateOrganizationResumed(b_).Union()};
  }
  Written operator()(const KeyCreated& data) const {
    auto name = text(data.name);
    auto permissions = texts(data.permissions);
    Texts projects;
    if (data.projects) projects = texts(*data.projects);
    auto credential = write(data.credential);
    return {
        fb::EventData::KeyCreated,
        fb::CreateKeyCreated(b_, name, permissions, projects,
                             data.expires ? to_number(*data.expires) : 0, credential, data.platform)
            .Union()};
  }
  Written operator()(const KeyRotated& data) const {
    auto credential = write(data.credential);
    return {fb::EventData::KeyRotated,
            fb::CreateKeyRotated(b_, credential, to_number(data.old_expires)).Union()};
  }
  Written operator()(const KeyRevoked&) const {
    return {fb::EventData::KeyRevoked, fb::CreateKeyRevoked(b_).Union()};
  }
  Written operator()(const ProductDeclared& data) const {
    return {fb::EventData::ProductDeclared,
            fb::CreateProductDeclared(b_, text(data.manifest)).Union()};
  }
  Written operator()(const ProjectCreated& data) const {
    auto name = text(data.name);
    return {fb::EventData::ProjectCreated,
            fb::CreateProjectCreated(b_, name, text(data.slug)).Union()};
  }
  Written operator()(const ProjectChanged& data) const {
    auto name = text(data.name);
    return {fb::EventData::ProjectChanged,
            fb::CreateProjectChanged(b_, name, text(data.slug)).Union()};
  }
  Written operator()(const ProjectArchived&) const {
    return {fb::EventData::ProjectArchived, fb::CreateProjectArchived(b_).Union()};
  }
  Written operator()(const ProjectRestored&) const {
    return {fb::EventData::ProjectRestored, fb::CreateProjectRestored(b_).Union()};
  }
  Written operator()(const ProjectDeleted&) const {
    return {fb::EventData::ProjectDeleted, fb::CreateProjectDeleted(b_).Union()};
  }
  Written operator()(const EnvironmentCreated&) const {
    return {fb::EventData::EnvironmentCreated, fb::CreateEnvironmentCreated(b_).Union()};
  }
  Written operator()(const EnvironmentDeleted&) const {
    return {fb::EventData::EnvironmentDeleted, fb::CreateEnvironmentDeleted(b_).Union()};
  }
  Written operator()(const MemberAdded& data) const {
    return {fb::EventData::MemberAdded,
            fb::CreateMemberAdded(b_, static_cast<fb::Role>(data.role)).Union()};
  }
  Written operator()(const MemberRoleChanged& data) const {
    return {fb::EventData::MemberRoleChanged,
            fb::CreateMemberRoleChanged(b_, static_cast<fb::Role>(data.role)).Union()};
  }
  Written operator()(const MemberRemoved&) const {
    return {fb::EventData::MemberRemoved, fb::CreateMemberRemoved(b_).Union()};
  }
  Written operator()(const SettingsChanged& data) const {
    return {fb::EventData::SettingsChanged,
            fb::CreateSettingsChanged(b_, text(data.patch)).Union()};
  }
  Written operator()(const SecretSet& data) const {
    return {fb::EventData::SecretSet, fb::CreateSecretSet(b_, bytes(data.value)).Union()};
  }
  Written operator()(const SecretRevealed& data) const {
    return {fb::EventData::SecretRevealed,
            fb::CreateSecretRevealed(b_, to_number(data.version)).Union()};
  }
  Written operator()(const SecretDeleted&) const {
    return {fb::EventData::SecretDeleted, fb::CreateSecretDeleted(b_).Union()};
  }
  Written operator()(const ResourceKindChanged& data) const {
    auto unit_cost = write(data.unit_cost);
    return {fb::EventData::ResourceKindChanged,
            fb::CreateResourceKindChanged(b_, data.external, unit_cost).Union()};
  }
  Written operator()(const QuotaChanged& data) const {
    return {fb::EventData::QuotaChanged,
            fb::CreateQuotaChanged(b_, data.count, data.units).Union()};
  }
  Written operator()(const ResourceRequested& data) const {
    auto project = to_fb(data.project);
    auto environment = text(data.environment);
    auto kind = text(data.kind);
    auto name = text(data.name);
    auto spec = text(data.spec);
    auto unit_cost = write(data.unit_cost);
    return {fb::EventData::ResourceRequested,
            fb::CreateResourceRequested(b_, &project, environment, kind, name, data.units, spec,
                                        data.external, unit_cost)
                .Union()};
  }
  Written operator()(const ResourceActivated& data) const {
    auto project = to_fb(data.project);
    auto outputs = text(data.outputs);
    auto detail = text(data.detail);
    return {fb::EventData::ResourceActivated,
            fb::CreateResourceActivated(b_, &project, to_number(data.observed), outputs, detail)
                .Union()};
  }
  Written operator()(const ResourceScaleRequested& data) const {
    auto project = to_fb(data.project);
    auto unit_cost = write(data.unit_cost);
    return {fb::EventData::ResourceScaleRequested,
            fb::CreateResourceScaleRequested(b_, &project, data.units, unit_cost).Union()};
  }
  Written operator()(const ResourceScaled& data) const {
    auto project = to_fb(data.project);
    auto outputs = text(data.outputs);
    auto detail = text(data.detail);
    return {
        fb::EventData::ResourceScaled,
        fb::CreateResourceScaled(b_, &project, to_number(data.observed), outputs, detail).Union()};
  }
  Written operator()(const ResourceConfigured& data) const {
    auto project = to_fb(data.project);
    return {fb::EventData::ResourceConfigured,
            fb::CreateResourceConfigured(b_, &project, text(data.spec)).Union()};
  }
  Written operator()(const ResourceFailed& data) const {
    auto project = to_fb(data.project);
    auto detail = text(data.detail);
    return {fb::EventData::ResourceFailed,
            fb::CreateResourceFailed(b_, &project, to_number(data.observed), detail).Union()};
  }
  Written operator()(const ResourceHealthChanged& data) const {
    auto project = to_fb(data.project);
    auto detail = text(data.detail);
    return {
        fb::EventData::ResourceHealthChanged,
        fb::CreateResourceHealthChanged(b_, &project, static_cast<fb::Health>(data.health), detail)
            .Union()};
  }
  Written operator()(const ResourceCostRecorded& data) const {
    auto project = to_fb(data.project);
    auto amount = text(data.amount);
    auto currency = text(data.currency);
    auto note = text(data.note);
    return {fb::EventData::ResourceCostRecorded,
            fb::CreateResourceCostRecorded(b_, &project, amount, currency, to_number(data.from),
                                           to_number(data.to), note)
                .Union()};
  }
  Written operator()(const ResourceDeprovisionRequested& data) const {
    auto project = to_fb(data.project);
    return {fb::EventData::ResourceDeprovisionRequested,
            fb::CreateResourceDeprovisionRequested(b_, &project).Union()};
  }
  Written operator()(const ResourceDeprovisioned& data) const {
    auto project = to_fb(data.project);
    auto detail = text(data.detail);
    return {
        fb::EventData::ResourceDeprovisioned,
        fb::CreateResourceDeprovisioned(b_, &project, to_number(data.observed), detail).Union()};
  }
  /// Events of webhooks (batch_webhooks.h).
  Written operator()(const auto& data) const { return write_data(b_, data); }

 private:
  Ref<flatbuffers::String> text(std::string_view value) const {
    return b_.CreateString(value.data(), value.size());
  }
  Ref<flatbuffers::String> text(const std::optional<std::string_view>& value) const {
    return value ? text(*value) : Ref<flatbuffers::String>{};
  }
  Texts texts(const std::vector<std::string_view>& values) const {
    std::vector<Ref<flatbuffers::String>> offsets;
    offsets.reserve(values.size());
    for (auto value : values) offsets.push_back(text(value));
    return b_.CreateVector(offsets);
  }
  Ref<fb::Credential> write(const Credential& credential) const {
    auto digest = bytes(credential.digest);
    return fb::CreateCredential(b_, digest, text(credential.hint));
  }
  Ref<flatbuffers::Vector<std::uint8_t>> bytes(std::string_view value) const {
    return b_.CreateVector(reinterpret_cast<const std::uint8_t*>(value.data()), value.size());
  }
  Ref<fb::UnitCost> write(const std::optional<UnitCost>& cost) const {
    if (!cost) return {};
    auto amount = text(cost->amount);
    return fb::CreateUnitCost(b_, amount, text(cost->currency), static_cast<fb::Per>(cost->per));
  }

  FlatBufferBuilder& b_;
};

Credential read(const fb::Credential* credential) {
  return {view(credential->digest()), view(credential->hint())};
}

std::vector<std::string_view> read(const flatbuffers::Vector<Ref<flatbuffers::String>>& texts) {
  std::vector<std::string_view> result;
  result.reserve(texts.size());
  for (const auto* text : texts) result.push_back(view(text));
  return result;
}

KeyCreated read(const fb::KeyCreated& data) {
  KeyCreated result{.name = view(data.name()),
                    .permissions = read(*data.permissions()),
                    .projects = {},
                    .expires = {},
                    .credential = read(data.credential()),
                    .platform = data.platform()};
  if (data.projects() != nullptr) result.projects = read(*data.projects());
  if (data.expires() != 0) result.expires = to_time(data.expires());
  return result;
}

std::optional<UnitCost> read(const fb::UnitCost* cost) {
  if (cost == nullptr) return std::nullopt;
  return UnitCost{view(cost->amount()), view(cost->currency()), static_cast<Per>(cost->per())};
}

ResourceRequested read(const fb::ResourceRequested& data) {
  return {.project = buffer::uuid(data.project()),
          .environment = view(data.environment()),
          .kind = view(data.kind()),
          .name = view(data.name()),
          .units = data.units(),
          .spec = view(data.spec()),
          .external = data.external(),
          .unit_cost = read(data.unit_cost())};
}
ResourceCostRecorded read(const fb::ResourceCostRecorded& data) {
  return {.project = buffer::uuid(data.project()),
          .amount = view(data.amount()),
          .currency = view(data.currency()),
          .from = to_time(data.from()),
          .to = to_time(data.to()),
          .note = optional_view(data.note())};
}

/// What happens to a resource; all that batch.cpp itself does not read.
EventData read_of_resource(const fb::Event& e) {
  switch (e.data_type()) {
    case fb::EventData::ResourceRequested:
      return read(*e.data_as_ResourceRequested());
    case fb::EventData::ResourceActivated: {
      const auto* data = e.data_as_ResourceActivated();
      return ResourceActivated{buffer::uuid(data->project()), Version{data->observed()},
                               optional_view(data->outputs()), optional_view(data->detail())};
    }
    case fb::EventData::ResourceScaleRequested: {
      const auto* data = e.data_as_ResourceScaleRequested();
      return ResourceScaleRequested{buffer::uuid(data->project()), data->units(),
                                    read(data->unit_cost())};
    }
    case fb::EventData::ResourceScaled: {
      const auto* data = e.data_as_ResourceScaled();
      return ResourceScaled{buffer::uuid(data->project()), Version{data->observed()},
                            optional_view(data->outputs()), optional_view(data->detail())};
    }
    case fb::EventData::ResourceConfigured: {
      const auto* data = e.data_as_ResourceConfigured();
      return ResourceConfigured{buffer::uuid(data->project()), view(data->spec())};
    }
    case fb::EventData::ResourceFailed: {
      const auto* data = e.data_as_ResourceFailed();
      return ResourceFailed{buffer::uuid(data->project()), Version{data->observed()},
                            optional_view(data->detail())};
    }
    case fb::EventData::ResourceHealthChanged: {
      const auto* data = e.data_as_ResourceHealthChanged();
      return ResourceHealthChanged{buffer::uuid(data->project()),
                                   static_cast<Health>(data->health()),
                                   optional_view(data->detail())};
    }
    case fb::EventData::ResourceCostRecorded:
      return read(*e.data_as_ResourceCostRecorded());
    case fb::EventData::ResourceDeprovisionRequested:
      return ResourceDeprovisionRequested{
          buffer::uuid(e.data_as_ResourceDeprovisionRequested()->project())};
    case fb::EventData::ResourceDeprovisioned: {
      const auto* data = e.data_as_ResourceDeprovisioned();
      return ResourceDeprovisioned{buffer::uuid(data->project()), Version{data->observed()},
                                   optional_view(data->detail())};
    }
    default:
      return read_of_webhooks(e);
  }
}

Json read_json(const fb::Json& json) {
  const Bounds keep{json.keep_versions(), json.keep_seconds()};
  return {view(json.text()), static_cast<Fold>(json.fold()), keep};
}

Ref<fb::Event> write(FlatBufferBuilder& builder, const EventDraft& draft) {
  // Types and kinds repeat within a batch: stored once.
  auto type = builder.CreateSharedString(draft.type.data(), draft.type.size());
  auto kind = builder.CreateSharedString(draft.kind.data(), draft.kind.size());
  Ref<flatbuffers::String> name;
  if (!draft.entity.name.empty()) name = builder.CreateString(draft.entity.name);
  auto [data_type, data] = std::visit(DataBuilder(builder), draft.data);
  auto id = to_fb(draft.id.uuid());
  auto entity = to_fb(draft.entity.id);
  auto causation = to_fb(draft.causation ? draft.causation->uuid() : Uuid{});
  return fb::CreateEvent(builder, &id, type, kind, draft.entity.id.nil() ? nullptr : &entity, name,
                         to_number(draft.version), to_number(draft.occurred),
                         draft.causation ? &causation : nullptr, draft.schema, data_type, data);
}

}  // namespace

BuiltBatch build_batch(const BatchHead& head, std::span<const EventDraft> events) {
  FlatBufferBuilder builder(512);
  std::vector<Ref<fb::Event>> offsets;
  offsets.reserve(events.size());
  for (const auto& draft : events) offsets.push_back(write(builder, draft));
  auto event_vector = builder.CreateVector(offsets);
  Ref<flatbuffers::Vector<const fb::Reference*>> references;
  if (!head.references.empty()) {
    std::vector<fb::Reference> structs;
    for (const auto& reference : head.references) {
      structs.emplace_back(reference.offset, static_cast<std::uint16_t>(reference.log.topic),
                           reference.log.partition);
    }
    references = builder.CreateVectorOfStructs(structs);
  }
  Ref<flatbuffers::String> traceparent;
  if (!head.traceparent.empty()) {
    traceparent = builder.CreateString(head.traceparent.data(), head.traceparent.size());
  }
  auto correlation = builder.CreateString(head.correlation.data(), head.correlation.size());
  auto organization = to_fb(head.organization.uuid());
  auto actor = to_fb(head.actor.id);
  auto command = to_fb(head.command.uuid());
  auto key = to_fb(head.idempotency ? head.idempotency->key : ShortDigest{});
  auto request = to_fb(head.idempotency ? head.idempotency->request : ShortDigest{});
  auto replay = to_fb(head.replay.value_or(Uuid{}));
  auto root =
      fb::CreateBatch(builder, &organization, static_cast<fb::Space>(head.space),
                      static_cast<fb::ActorKind>(head.actor.kind), &actor, correlation, traceparent,
                      to_number(head.recorded), &command, head.idempotency ? &key : nullptr,
                      head.idempotency ? &request : nullptr, references, head.hops,
                      head.replay ? &replay : nullptr, event_vector);
  fb::FinishBatchBuffer(builder, root);
  auto owner = std::make_shared<flatbuffers::DetachedBuffer>(builder.Release());
  std::span<const std::uint8_t> bytes{owner->data(), owner->size()};
  return {std::move(owner), bytes};
}

EventId EventView::id() const {
  return EventId(buffer::uuid(event(table_).id()));
}
std::string_view EventView::type() const {
  return view(event(table_).type());
}
std::string_view EventView::kind() const {
  return view(event(table_).kind());
}
Entity EventView::entity() const {
  return {buffer::uuid(event(table_).entity()), std::string(view(event(table_).name()))};
}
Version EventView::version() const {
  return Version{event(table_).version()};
}
Time EventView::occurred() const {
  return to_time(event(table_).occurred());
}
std::optional<EventId> EventView::causation() const {
  const auto causation = optional_uuid(event(table_).causation());
  return causation ? std::optional(EventId(*causation)) : std::nullopt;
}
std::uint32_t EventView::schema() const {
  return event(table_).schema();
}

EventData EventView::data() const {
  const auto& e = event(table_);
  if (e.data() == nullptr) return UnknownEvent{};  // the verifier lets a type without data pass
  switch (e.data_type()) {
    case fb::EventData::Json:
      return read_json(*e.data_as_Json());
    case fb::EventData::OrganizationCreated: {
      const auto* data = e.data_as_OrganizationCreated();
      return OrganizationCreated{view(data->name()), view(data->slug())};
    }
    case fb::EventData::OrganizationChanged: {
      const auto* data = e.data_as_OrganizationChanged();
      return OrganizationChanged{optional_view(data->name()), optional_view(data->slug())};
    }
    case fb::EventData::OrganizationSuspended:
      return OrganizationSuspended{};
    case fb::EventData::OrganizationResumed:
      return OrganizationResumed{};
    case fb::EventData::KeyCreated:
      return read(*e.data_as_KeyCreated());
    case fb::EventData::KeyRotated: {
      const auto* data = e.data_as_KeyRotated();
      return KeyRotated{read(data->credential()), to_time(data->old_expires())};
    }
    case fb::EventData::KeyRevoked:
      return KeyRevoked{};
    case fb::EventData::ProductDeclared:
      return ProductDeclared{view(e.data_as_ProductDeclared()->manifest())};
    case fb::EventData::ProjectCreated: {
      const auto* data = e.data_as_ProjectCreated();
      return ProjectCreated{view(data->name()), view(data->slug())};
    }
    case fb::EventData::ProjectChanged: {
      const auto* data = e.data_as_ProjectChanged();
      return ProjectChanged{optional_view(data->name()), optional_view(data->slug())};
    }
    case fb::EventData::ProjectArchived:
      return ProjectArchived{};
    case fb::EventData::ProjectRestored:
      return ProjectRestored{};
    case fb::EventData::ProjectDeleted:
      return ProjectDeleted{};
    case fb::EventData::EnvironmentCreated:
      return EnvironmentCreated{};
    case fb::EventData::EnvironmentDeleted:
      return EnvironmentDeleted{};
    case fb::EventData::MemberAdded:
      return MemberAdded{static_cast<Role>(e.data_as_MemberAdded()->role())};
    case fb::EventData::MemberRoleChanged:
      return MemberRoleChanged{static_cast<Role>(e.data_as_MemberRoleChanged()->role())};
    case fb::EventData::MemberRemoved:
      return MemberRemoved{};
    case fb::EventData::SettingsChanged:
      return SettingsChanged{view(e.data_as_SettingsChanged()->patch())};
    case fb::EventData::SecretSet:
      return SecretSet{view(e.data_as_SecretSet()->value())};
    case fb::EventData::SecretRevealed:
      return SecretRevealed{Version{e.data_as_SecretRevealed()->version()}};
    case fb::EventData::SecretDeleted:
      return SecretDeleted{};
    case fb::EventData::ResourceKindChanged: {
      const auto* data = e.data_as_ResourceKindChanged();
      return ResourceKindChanged{data->external(), read(data->unit_cost())};
    }
    case fb::EventData::QuotaChanged:
      return QuotaChanged{e.data_as_QuotaChanged()->count(), e.data_as_QuotaChanged()->units()};
    default:
      return read_of_resource(e);  // or a union member that a newer version added
  }
}

std::optional<BatchView> BatchView::verify(std::span<const std::uint8_t> bytes) {
  // Depth: batch, event, union member, its table. Tables: at most 10,000 events with four each.
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), 16, 50'000);
  if (!fb::VerifyBatchBuffer(verifier)) return std::nullopt;
  const auto* root = fb::GetBatch(bytes.data());
  // A struct cannot be `required`, and none would read as the platform's nil id.
  if (root->organization() == nullptr) return std::nullopt;
  // The verifier looks at the place of a vector's length only, which is four bytes wide.
  const auto* references = root->references();
  if (references != nullptr && references->size() != 0 &&
      (references->Data() - bytes.data()) % 8 != 0) {
    return std::nullopt;
  }
  return BatchView(root);
}
BatchView BatchView::trusted(std::span<const std::uint8_t> bytes) {
  return BatchView(fb::GetBatch(bytes.data()));
}

OrganizationId BatchView::organization() const {
  return OrganizationId(buffer::uuid(batch(table_).organization()));
}
Space BatchView::space() const {
  return static_cast<Space>(batch(table_).space());
}
Actor BatchView::actor() const {
  return {static_cast<ActorKind>(batch(table_).actor_kind()), buffer::uuid(batch(table_).actor())};
}
std::string_view BatchView::correlation() const {
  return view(batch(table_).correlation());
}
std::string_view BatchView::traceparent() const {
  return view(batch(table_).traceparent());
}
Time BatchView::recorded() const {
  return to_time(batch(table_).recorded());
}
CommandId BatchView::command() const {
  return CommandId(buffer::uuid(batch(table_).command()));
}
std::optional<IdempotencyProof> BatchView::idempotency() const {
  const auto& b = batch(table_);
  if (b.idempotency() == nullptr) return std::nullopt;
  return IdempotencyProof{from_fb(b.idempotency()), from_fb(b.request())};
}
std::uint8_t BatchView::hops() const {
  return batch(table_).hops();
}
std::optional<Uuid> BatchView::replay() const {
  return optional_uuid(batch(table_).replay());
}
std::vector<Reference> BatchView::references() const {
  std::vector<Reference> result;
  const auto* stored = batch(table_).references();
  if (stored == nullptr) return result;
  for (const auto* reference : *stored) {
    result.push_back({{TopicId{reference->topic()}, reference->partition()}, reference->offset()});
  }
  return result;
}
std::uint32_t BatchView::event_count() const {
  return batch(table_).events()->size();
}
EventView BatchView::event(std::uint32_t index) const {
  return EventView(batch(table_).events()->Get(index));
}

}  // namespace schemas
