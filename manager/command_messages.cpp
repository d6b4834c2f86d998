#include "manager/command_messages.h"

#include <algorithm>

#include "fb/rpc/commands_generated.h"

// Structs are taken apart by structured bindings: a member that is added to one of them and
// forgotten here does not compile.
namespace manager {
namespace {

namespace rpc = fb::rpc;
using flatbuffers::FlatBufferBuilder;
using projections::Access;
template <typename T>
using Ref = flatbuffers::Offset<T>;
using TextRef = Ref<flatbuffers::String>;
using TextRefs = Ref<flatbuffers::Vector<TextRef>>;
using BytesRef = Ref<flatbuffers::Vector<std::uint8_t>>;

fb::Uuid to_fb(const Uuid& uuid) {
  return fb::Uuid(uuid.bytes);
}
fb::Digest to_fb(const std::array<std::uint8_t, 16>& digest) {
  return fb::Digest(digest);
}
fb::Space to_fb(Space space) {
  return static_cast<fb::Space>(space);
}
std::int64_t to_number(Time time) {
  return time.time_since_epoch().count();
}
flatbuffers::Optional<std::int64_t> to_number(const std::optional<Time>& time) {
  if (!time) return flatbuffers::nullopt;
  return to_number(*time);
}
flatbuffers::Optional<std::uint64_t> to_number(std::optional<std::uint64_t> number) {
  return number ? flatbuffers::Optional<std::uint64_t>(*number) : flatbuffers::nullopt;
}

class Encoder {
 public:
  explicit Encoder(std::size_t size_expected) : b_(size_expected) {}

  template <typename Items, typename Make>
  auto tables(const Items& items, const Make& make) {
    std::vector<decltype(make(*items.begin()))> refs;
    refs.reserve(items.size());
    for (const auto& item : items) refs.push_back(make(item));
    return b_.CreateVector(refs);
  }
  Ref<rpc::Submit> submit(const Submission& submission) {
    const auto& [call, sequence, left, context, command, seen] = submission;
    ENSURE(command.has_value());
    const auto [type, table] =
        std::visit([this](const auto& known) { return this->command(known); }, *command);
    const auto seen_tables = tables(seen, [this](const SeenPosition& position) {
      const auto& [log, end] = position;
      return rpc::CreateSeen(b_, static_cast<std::uint16_t>(log.topic), log.partition, end);
    });
    const auto context_table = this->context(context);
    const auto left_ms = std::clamp<std::int64_t>(left.count(), 0, 0xffff'ffff);
    return rpc::CreateSubmit(b_, call, to_number(sequence), static_cast<std::uint32_t>(left_ms),
                             context_table, type, table, seen_tables);
  }
  Ref<rpc::Answer> answer(const Answered& answered) {
    const auto& [call, result] = answered;
    if (result) return rpc::CreateAnswer(b_, call, outcome(*result));
    return rpc::CreateAnswer(b_, call, 0, error(result.error()));
  }

  FlatBufferBuilder& builder() { return b_; }
  template <typename Root>
  MessageBytes finish(Ref<Root> root) {
    b_.Finish(root);
    const auto bytes = b_.GetBufferSpan();
    return {bytes.begin(), bytes.end()};
  }

 private:
  using Written = std::pair<rpc::Command, Ref<void>>;

  Written command(const CreateOrganization& command) {
    const auto& [name, slug] = command;
    return {rpc::Command::CreateOrganization,
            rpc::CreateCreateOrganization(b_, text(name), text(slug)).Union()};
  }
  Written command(const ChangeOrganization& command) {
    const auto& [id, name, slug] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ChangeOrganization,
            rpc::CreateChangeOrganization(b_, &id_bytes, text(name), text(slug)).Union()};
  }
  Written command(const SuspendOrganization& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::SuspendOrganization,
            rpc::CreateSuspendOrganization(b_, &id_bytes).Union()};
  }
  Written command(const ResumeOrganization& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ResumeOrganization, rpc::CreateResumeOrganization(b_, &id_bytes).Union()};
  }
  Written command(const CreateKey& command) {
    const auto& [name, permissions, projects, expires, digest, hint, platform] = command;
    return {rpc::Command::CreateKey,
            rpc::CreateCreateKey(b_, text(name), texts(permissions), texts(projects),
                                 to_number(expires), bytes(digest), text(hint), platform)
                .Union()};
  }
  Written command(const RotateKey& command) {
    const auto& [id, digest, hint, overlap] = command;
    const auto id_bytes = to_fb(id);
    return {
        rpc::Command::RotateKey,
        rpc::CreateRotateKey(b_, &id_bytes, bytes(digest), text(hint), overlap.count()).Union()};
  }
  Written command(const RevokeKey& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::RevokeKey, rpc::CreateRevokeKey(b_, &id_bytes).Union()};
  }
  Written command(const DeclareProduct& command) {
    const auto& [name, manifest] = command;
    return {rpc::Command::DeclareProduct,
            rpc::CreateDeclareProduct(b_, text(name), text(manifest)).Union()};
  }
  Written command(const CreateProject& command) {
    const auto& [name, slug] = command;
    return {rpc::Command::CreateProject,
            rpc::CreateCreateProject(b_, text(name), text(slug)).Union()};
  }
  Written command(const ChangeProject& command) {
    const auto& [id, name, slug] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ChangeProject,
            rpc::CreateChangeProject(b_, &id_bytes, text(name), text(slug)).Union()};
  }
  Written command(const ArchiveProject& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ArchiveProject, rpc::CreateArchiveProject(b_, &id_bytes).Union()};
  }
  Written command(const RestoreProject& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::RestoreProject, rpc::CreateRestoreProject(b_, &id_bytes).Union()};
  }
  Written command(const DeleteProject& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::DeleteProject, rpc::CreateDeleteProject(b_, &id_bytes).Union()};
  }
  Written command(const CreateEnvironment& command) {
    const auto& [project, name] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::CreateEnvironment,
            rpc::CreateCreateEnvironment(b_, &project_bytes, text(name)).Union()};
  }
  Written command(const DeleteEnvironment& command) {
    const auto& [project, name] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::DeleteEnvironment,
            rpc::CreateDeleteEnvironment(b_, &project_bytes, text(name)).Union()};
  }
  Written command(const PutMember& command) {
    const auto& [project, user, role] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::PutMember,
            rpc::CreatePutMember(b_, &project_bytes, text(user), static_cast<std::uint8_t>(role))
                .Union()};
  }
  Written command(const RemoveMember& command) {
    const auto& [project, user] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::RemoveMember,
            rpc::CreateRemoveMember(b_, &project_bytes, text(user)).Union()};
  }
  Written command(const ChangeSettings& command) {
    const auto& [project, environment, patch] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::ChangeSettings,
            rpc::CreateChangeSettings(b_, &project_bytes, text(environment), text(patch)).Union()};
  }
  Written command(const PutSecret& command) {
    const auto& [project, environment, name, value] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::PutSecret,
            rpc::CreatePutSecret(b_, &project_bytes, text(environment), text(name), bytes(value))
                .Union()};
  }
  Written command(const RevealSecret& command) {
    const auto& [project, environment, name, version] = command;
    const auto project_bytes = to_fb(project);
    flatbuffers::Optional<std::uint64_t> version_number;
    if (version) version_number = schemas::to_number(*version);
    return {
        rpc::Command::RevealSecret,
        rpc::CreateRevealSecret(b_, &project_bytes, text(environment), text(name), version_number)
            .Union()};
  }
  Written command(const DeleteSecret& command) {
    const auto& [project, environment, name] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::DeleteSecret,
            rpc::CreateDeleteSecret(b_, &project_bytes, text(environment), text(name)).Union()};
  }
  Written command(const PutResourceKind& command) {
    const auto& [name, external, unit_cost] = command;
    Ref<rpc::UnitCost> cost;
    if (unit_cost) {
      const auto& [amount, currency, per] = *unit_cost;
      cost = rpc::CreateUnitCost(b_, text(amount), text(currency), static_cast<std::uint8_t>(per));
    }
    return {rpc::Command::PutResourceKind,
            rpc::CreatePutResourceKind(b_, text(name), external, cost).Union()};
  }
  Written command(const PutQuota& command) {
    const auto& [kind, count, units] = command;
    return {rpc::Command::PutQuota, rpc::CreatePutQuota(b_, text(kind), count, units).Union()};
  }
  Written command(const CreateResource& command) {
    const auto& [project, environment, kind, name, units, spec] = command;
    const auto project_bytes = to_fb(project);
    return {rpc::Command::CreateResource,
            rpc::CreateCreateResource(b_, &project_bytes, text(environment), text(kind), text(name),
                                      units, text(spec))
                .Union()};
  }
  Written command(const ScaleResource& command) {
    const auto& [id, units] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ScaleResource, rpc::CreateScaleResource(b_, &id_bytes, units).Union()};
  }
  Written command(const ConfigureResource& command) {
    const auto& [id, patch] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ConfigureResource,
            rpc::CreateConfigureResource(b_, &id_bytes, text(patch)).Union()};
  }
  Written command(const DeleteResource& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::DeleteResource, rpc::CreateDeleteResource(b_, &id_bytes).Union()};
  }
  Written command(const ReportResource& command) {
    const auto& [id, state, observed, detail, outputs] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ReportResource,
            rpc::CreateReportResource(b_, &id_bytes, static_cast<std::uint8_t>(state),
                                      schemas::to_number(observed), text(detail), text(outputs))
                .Union()};
  }
  Written command(const ReportHealth& command) {
    const auto& [id, health, detail] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ReportHealth,
            rpc::CreateReportHealth(b_, &id_bytes, static_cast<std::uint8_t>(health), text(detail))
                .Union()};
  }
  Written command(const RecordCost& command) {
    const auto& [id, amount, currency, from, to, note] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::RecordCost,
            rpc::CreateRecordCost(b_, &id_bytes, text(amount), text(currency), to_number(from),
                                  to_number(to), text(note))
                .Union()};
  }
  Written command(const DeprovisionResource& command) {
    const auto id_bytes = to_fb(command.id);
    return {rpc::Command::DeprovisionResource,
            rpc::CreateDeprovisionResource(b_, &id_bytes).Union()};
  }
  Written command(const CreateEndpoint& command) {
    const auto& [id, project, retry_policy, config, secret, headers, start] = command;
    const auto id_bytes = to_fb(id);
    const auto project_bytes = to_fb(project.value_or(Uuid{}));
    const auto policy_bytes = to_fb(retry_policy.value_or(Uuid{}));
    return {rpc::Command::CreateEndpoint,
            rpc::CreateCreateEndpoint(b_, &id_bytes, project ? &project_bytes : nullptr,
                                      retry_policy ? &policy_bytes : nullptr, text(config),
                                      bytes(secret), bytes(headers), text(start))
                .Union()};
  }
  Written command(const ChangeEndpoint& command) {
    const auto& [id, based_on, project, retry_policy, config, headers] = command;
    const auto id_bytes = to_fb(id);
    const auto project_bytes = to_fb(project.value_or(Uuid{}));
    const auto policy_bytes = to_fb(retry_policy.value_or(Uuid{}));
    return {rpc::Command::ChangeEndpoint,
            rpc::CreateChangeEndpoint(
                b_, &id_bytes, schemas::to_number(based_on), project ? &project_bytes : nullptr,
                retry_policy ? &policy_bytes : nullptr, text(config), bytes(headers))
                .Union()};
  }
  Written command(const RotateEndpointSecret& command) {
    const auto& [id, secret, overlap] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::RotateEndpointSecret,
            rpc::CreateRotateEndpointSecret(b_, &id_bytes, bytes(secret), overlap.count()).Union()};
  }
  Written command(const PauseEndpoint& command) {
    const auto& [id, disable, reason] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::PauseEndpoint,
            rpc::CreatePauseEndpoint(b_, &id_bytes, disable, text(reason)).Union()};
  }
  Written command(const ResumeEndpoint& command) {
    const auto& [id, start] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ResumeEndpoint,
            rpc::CreateResumeEndpoint(b_, &id_bytes, text(start)).Union()};
  }
  Written command(const TestEndpoint& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::TestEndpoint, rpc::CreateTestEndpoint(b_, &id_bytes).Union()};
  }
  Written command(const DeleteEndpoint& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::DeleteEndpoint, rpc::CreateDeleteEndpoint(b_, &id_bytes).Union()};
  }
  Written command(const CreateRetryPolicy& command) {
    const auto& [config] = command;
    return {rpc::Command::CreateRetryPolicy,
            rpc::CreateCreateRetryPolicy(b_, text(config)).Union()};
  }
  Written command(const ChangeRetryPolicy& command) {
    const auto& [id, based_on, config] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ChangeRetryPolicy,
            rpc::CreateChangeRetryPolicy(b_, &id_bytes, schemas::to_number(based_on), text(config))
                .Union()};
  }
  Written command(const DeleteRetryPolicy& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::DeleteRetryPolicy, rpc::CreateDeleteRetryPolicy(b_, &id_bytes).Union()};
  }
  Written command(const RecordDeliveries& command) {
    const auto& [endpoint, generation, deliveries, cursor, replay, pipeline, version] = command;
    const auto record_tables =
        tables(deliveries, [this](const DeliveryRecord& d) { return delivery_record(d); });
    const auto endpoint_bytes = to_fb(endpoint);
    const auto replay_bytes = to_fb(replay.value_or(Uuid{}));
    const auto pipeline_bytes = to_fb(pipeline.value_or(Uuid{}));
    return {rpc::Command::RecordDeliveries,
            rpc::CreateRecordDeliveries(b_, &endpoint_bytes, generation, record_tables,
                                        text(cursor), replay ? &replay_bytes : nullptr,
                                        pipeline ? &pipeline_bytes : nullptr, to_number(version))
                .Union()};
  }
  Written command(const ResendDeliveries& command) {
    const auto& [ids] = command;
    return {rpc::Command::ResendDeliveries, rpc::CreateResendDeliveries(b_, uuids(ids)).Union()};
  }
  Written command(const SkipDeliveries& command) {
    const auto& [endpoint, generation, since, ids, reason, replay, pipeline] = command;
    const auto endpoint_bytes = to_fb(endpoint);
    const auto replay_bytes = to_fb(replay.value_or(Uuid{}));
    const auto pipeline_bytes = to_fb(pipeline.value_or(Uuid{}));
    const auto id_vector = uuids(ids);
    flatbuffers::Optional<std::uint32_t> generation_number;
    if (generation) generation_number = *generation;
    return {rpc::Command::SkipDeliveries,
            rpc::CreateSkipDeliveries(b_, &endpoint_bytes, generation_number, to_number(since),
                                      id_vector, text(reason), replay ? &replay_bytes : nullptr,
                                      pipeline ? &pipeline_bytes : nullptr)
                .Union()};
  }
  Written command(const ForgetDeliveries& command) {
    const auto& [ids, ended_before] = command;
    return {rpc::Command::ForgetDeliveries,
            rpc::CreateForgetDeliveries(b_, uuids(ids), to_number(ended_before)).Union()};
  }
  Written command(const RequestReplay& command) {
    const auto& [id, project, endpoint, config, from, to, pipeline] = command;
    const auto id_bytes = to_fb(id);
    const auto project_bytes = to_fb(project.value_or(Uuid{}));
    const auto endpoint_bytes = to_fb(endpoint.value_or(Uuid{}));
    const auto pipeline_bytes = to_fb(pipeline.value_or(Uuid{}));
    return {rpc::Command::RequestReplay,
            rpc::CreateRequestReplay(b_, &id_bytes, project ? &project_bytes : nullptr,
                                     endpoint ? &endpoint_bytes : nullptr, text(config), text(from),
                                     text(to), pipeline ? &pipeline_bytes : nullptr)
                .Union()};
  }
  Written command(const PauseReplay& command) {
    const auto& [id, reason] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::PauseReplay, rpc::CreatePauseReplay(b_, &id_bytes, text(reason)).Union()};
  }
  Written command(const ResumeReplay& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ResumeReplay, rpc::CreateResumeReplay(b_, &id_bytes).Union()};
  }
  Written command(const CancelReplay& command) {
    const auto& [id, reason] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::CancelReplay,
            rpc::CreateCancelReplay(b_, &id_bytes, text(reason)).Union()};
  }
  Written command(const CompleteReplay& command) {
    const auto& [id, succeeded, exhausted, skipped] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::CompleteReplay,
            rpc::CreateCompleteReplay(b_, &id_bytes, succeeded, exhausted, skipped).Union()};
  }
  Written command(const CreatePipeline& command) {
    const auto& [project, endpoint, config, start, paused] = command;
    const auto project_bytes = to_fb(project.value_or(Uuid{}));
    const auto endpoint_bytes = to_fb(endpoint.value_or(Uuid{}));
    return {rpc::Command::CreatePipeline,
            rpc::CreateCreatePipeline(b_, project ? &project_bytes : nullptr,
                                      endpoint ? &endpoint_bytes : nullptr, text(config),
                                      text(start), paused)
                .Union()};
  }
  Written command(const ChangePipeline& command) {
    const auto& [id, based_on, project, config] = command;
    const auto id_bytes = to_fb(id);
    const auto project_bytes = to_fb(project.value_or(Uuid{}));
    return {rpc::Command::ChangePipeline,
            rpc::CreateChangePipeline(b_, &id_bytes, to_number(based_on),
                                      project ? &project_bytes : nullptr, text(config))
                .Union()};
  }
  Written command(const PausePipeline& command) {
    const auto& [id, reason] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::PausePipeline,
            rpc::CreatePausePipeline(b_, &id_bytes, text(reason)).Union()};
  }
  Written command(const ResumePipeline& command) {
    const auto& [id, start] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::ResumePipeline,
            rpc::CreateResumePipeline(b_, &id_bytes, text(start)).Union()};
  }
  Written command(const DeletePipeline& command) {
    const auto& [id] = command;
    const auto id_bytes = to_fb(id);
    return {rpc::Command::DeletePipeline, rpc::CreateDeletePipeline(b_, &id_bytes).Union()};
  }
  Ref<flatbuffers::Vector<const fb::Uuid*>> uuids(const std::vector<Uuid>& ids) {
    std::vector<fb::Uuid> bytes;
    for (const auto& id : ids) bytes.push_back(to_fb(id));
    return b_.CreateVectorOfStructs(bytes);
  }
  Ref<rpc::DeliveryRecord> delivery_record(const DeliveryRecord& record) {
    const auto& [id, event, type, topic, offset, index, lane, held, attempt, started, status, error,
                 body, resolve_us, connect_us, tls_us, answer_us, state, next, version, found] =
        record;
    const auto id_bytes = to_fb(id);
    const auto event_bytes = to_fb(event);
    const auto found_vector = found.empty() ? 0 : b_.CreateVector(found);
    return rpc::CreateDeliveryRecord(
        b_, &id_bytes, &event_bytes, text(type), static_cast<std::uint16_t>(topic), offset, index,
        lane, held, attempt, to_number(started), status, text(error), text(body), resolve_us,
        connect_us, tls_us, answer_us, static_cast<std::uint8_t>(state), to_number(next),
        to_number(version), found_vector);
  }
  Written command(const AppendEvents& command) {
    const auto& [product, events, conditions] = command;
    const auto event_tables = tables(events, [this](const AppendEvents::Event& event) {
      const auto& [kind, entity, type, data, occurred, clear] = event;
      return rpc::CreateAppendedEvent(b_, text(kind), text(entity), text(type), text(data),
                                      to_number(occurred), text(clear));
    });
    const auto condition_tables =
        tables(conditions, [this](const AppendEvents::Condition& condition) {
          const auto& [kind, entity, expected] = condition;
          const auto& [is, version] = expected;
          return rpc::CreateCondition(b_, text(kind), text(entity),
                                      static_cast<rpc::ExpectedCase>(is),
                                      schemas::to_number(version));
        });
    return {rpc::Command::AppendEvents,
            rpc::CreateAppendEvents(b_, text(product), event_tables, condition_tables).Union()};
  }

  Ref<rpc::Context> context(const CommandContext& context) {
    const auto& [organization, space, actor, rights, correlation, traceparent, idempotency,
                 if_match, sequence, replay, hops, causation] = context;
    const auto organization_bytes = to_fb(organization.uuid());
    const auto& [actor_kind, actor_id] = actor;
    const auto actor_bytes = to_fb(actor_id);
    const auto key = idempotency ? to_fb(idempotency->key) : fb::Digest();
    const auto request = idempotency ? to_fb(idempotency->request) : fb::Digest();
    const auto replay_bytes = to_fb(replay.value_or(Uuid{}));
    const auto causation_bytes = to_fb(causation ? causation->uuid() : Uuid{});
    flatbuffers::Optional<std::uint64_t> if_match_number;
    if (if_match) if_match_number = schemas::to_number(*if_match);
    return rpc::CreateContext(
        b_, &organization_bytes, to_fb(space), static_cast<fb::ActorKind>(actor_kind), &actor_bytes,
        rights ? access(*rights) : 0, text(correlation), text(traceparent),
        idempotency ? &key : nullptr, idempotency ? &request : nullptr, if_match_number,
        replay ? &replay_bytes : nullptr, hops, causation ? &causation_bytes : nullptr);
  }
  Ref<rpc::Access> access(const Access& access) {
    const auto& [organization, space, key, permissions, projects, expires, platform] = access;
    const auto organization_bytes = to_fb(organization);
    const auto key_bytes = to_fb(key);
    return rpc::CreateAccess(b_, &organization_bytes, to_fb(space), &key_bytes, texts(permissions),
                             texts(projects), to_number(expires), platform);
  }

  Ref<rpc::Outcome> outcome(const Outcome& outcome) {
    const auto& [position, recorded, replayed, unchanged, events, subject, row] = outcome;
    const auto event_tables = tables(events, [this](const WrittenEvent& event) {
      const auto& [id, kind, entity, version] = event;
      const auto id_bytes = to_fb(id.uuid());
      const auto entity_bytes = to_fb(entity.id);
      return rpc::CreateWrittenEvent(b_, &id_bytes, text(kind), &entity_bytes, text(entity.name),
                                     schemas::to_number(version));
    });
    const auto& [subject_id, subject_name] = subject;
    const auto subject_bytes = to_fb(subject_id);
    return rpc::CreateOutcome(b_, this->position(position), to_number(recorded), replayed,
                              unchanged, event_tables, &subject_bytes, text(subject_name),
                              bytes(row));
  }
  Ref<rpc::Position> position(const schemas::Position& position) {
    const auto& [log, offset, index, epoch, sequence, chain] = position;
    const auto chain_bytes = to_fb(chain);
    return rpc::CreatePosition(b_, static_cast<std::uint16_t>(log.topic), log.partition, offset,
                               index, epoch.offset, epoch.nonce, sequence, &chain_bytes);
  }
  Ref<rpc::Error> error(const schemas::Error& error) {
    const auto& [code, detail, fields, members] = error;
    const auto field_tables = tables(fields, [this](const schemas::FieldError& field) {
      const auto& [in, where, field_detail] = field;
      return rpc::CreateFieldError(b_, static_cast<rpc::FieldIn>(in), text(where),
                                   text(field_detail));
    });
    const auto member_tables = tables(members, [this](const auto& member) {
      return rpc::CreateMember(b_, text(member.first), text(member.second));
    });
    return rpc::CreateError(b_, static_cast<std::uint8_t>(code), text(detail), field_tables,
                            member_tables);
  }

  TextRef text(const std::string& text) { return b_.CreateString(text); }
  TextRef text(const std::optional<std::string>& text) {
    return text ? b_.CreateString(*text) : TextRef(0);
  }
  TextRefs texts(const std::vector<std::string>& texts) { return b_.CreateVectorOfStrings(texts); }
  TextRefs texts(const std::optional<std::vector<std::string>>& texts) {
    return texts ? b_.CreateVectorOfStrings(*texts) : TextRefs(0);
  }
  BytesRef bytes(const std::optional<std::string>& value) {
    return value ? bytes(*value) : BytesRef(0);
  }
  BytesRef bytes(const std::string& bytes) {
    return b_.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }

  FlatBufferBuilder b_;
};

}  // namespace

MessageBytes encode(const Questions& questions) {
  Encoder encoder(1024);
  const auto submits =
      encoder.tables(questions.submissions, [&](const Submission& s) { return encoder.submit(s); });
  const auto over = encoder.builder().CreateVector(questions.over);
  return encoder.finish(rpc::CreateQuestions(encoder.builder(), submits, over));
}

MessageBytes encode(const Answers& answers) {
  Encoder encoder(1024);
  const auto tables =
      encoder.tables(answers.answers, [&](const Answered& a) { return encoder.answer(a); });
  const auto taken = to_number(answers.taken);
  return encoder.finish(rpc::CreateAnswers(encoder.builder(), tables, taken));
}

std::size_t bytes_of(const schemas::Result<Outcome>& result) {
  std::size_t bytes = sizeof(schemas::Result<Outcome>);
  if (!result) return bytes + result.error().detail.size();
  bytes += result->row.size() + result->subject.name.size();
  for (const auto& event : result->events) {
    bytes += sizeof event + event.kind.size() + event.entity.name.size();
  }
  return bytes;
}

}  // namespace manager
