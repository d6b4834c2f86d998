#include "fb/rpc/commands_generated.h"
#include "manager/command_messages.h"
#include "manager/command_messages_values.h"
#include "schemas/batch_values.h"

namespace manager {
namespace {

namespace rpc = fb::rpc;
using projections::Access;

std::unexpected<schemas::Error> malformed() {
  return schemas::fail(schemas::ErrorCode::internal, "a message between processes is malformed");
}

CreateKey to_create_key(const rpc::CreateKey& create) {
  return {.name = to_string(create.name()),
          .permissions = to_strings(create.permissions()),
          .projects = to_optional(create.projects()),
          .expires = to_time(create.expires()),
          .digest = to_string(create.digest()),
          .hint = to_string(create.hint()),
          .platform = create.platform()};
}

Outcome to_outcome(const rpc::Outcome& from) {
  auto event = [](const rpc::WrittenEvent* written) {
    return WrittenEvent{.id = schemas::EventId(from_fb(written->id())),
                        .kind = to_string(written->kind()),
                        .entity = {from_fb(written->entity()), to_string(written->name())},
                        .version = Version{written->version()}};
  };
  const auto& position = *from.position();
  return {.position = {.log = {schemas::TopicId{position.topic()}, position.partition()},
                       .offset = position.offset(),
                       .index = position.index(),
                       .epoch = {position.epoch_offset(), position.epoch_nonce()},
                       .sequence = position.sequence(),
                       .chain = from_fb(position.chain())},
          .recorded = to_time(from.recorded()),
          .replayed = from.replayed(),
          .unchanged = from.unchanged(),
          .events = to_vector(from.events(), event),
          .subject = {from_fb(from.subject()), to_string(from.subject_name())},
          .row = to_string(from.row())};
}

/// Reads verified tables. A number that names nothing leaves it no longer ok().
class Decoder {
 public:
  Submission to_submission(const rpc::Submit& from) {
    auto seen = [](const rpc::Seen* position) {
      return SeenPosition{{schemas::TopicId{position->topic()}, position->partition()},
                          position->end()};
    };
    std::optional<std::uint64_t> sequence;
    if (from.sequence()) sequence = *from.sequence();
    return {.call = from.call(),
            .sequence = sequence,
            .left = std::chrono::milliseconds(from.left_ms()),
            .context = to_context(*from.context()),
            .command = to_command(from),
            .seen = to_vector(from.seen(), seen)};
  }

  Answered to_answered(const rpc::Answer& from) {
    if (from.outcome() != nullptr) return {from.call(), to_outcome(*from.outcome())};
    ok_ = ok_ && from.error() != nullptr;
    if (!ok_) return {from.call(), malformed()};
    return {from.call(), schemas::fail(to_error(*from.error()))};
  }

  bool ok() const { return ok_; }

 private:
  template <typename Enum, typename Number>
  Enum known(Number number, Enum last) {
    ok_ = ok_ && static_cast<std::size_t>(number) <= static_cast<std::size_t>(last);
    return static_cast<Enum>(number);
  }

  std::shared_ptr<const Access> to_access(const rpc::Access* from) {
    if (from == nullptr) return nullptr;
    return std::make_shared<const Access>(Access{.organization = from_fb(from->organization()),
                                                 .space = known(from->space(), Space::test),
                                                 .key = from_fb(from->key()),
                                                 .permissions = to_strings(from->permissions()),
                                                 .projects = to_optional(from->projects()),
                                                 .expires = to_time(from->expires()),
                                                 .platform = from->platform()});
  }

  CommandContext to_context(const rpc::Context& from) {
    CommandContext context{
        .organization = schemas::OrganizationId(from_fb(from.organization())),
        .space = known(from.space(), Space::test),
        .actor = {known(from.actor_kind(), schemas::ActorKind::key), from_fb(from.actor())},
        .rights = to_access(from.rights()),
        .correlation = to_string(from.correlation()),
        .traceparent = to_string(from.traceparent())};
    if (from.idempotency() != nullptr && from.request() != nullptr) {
      context.idempotency = {from_fb(from.idempotency()), from_fb(from.request())};
    }
    if (from.if_match()) context.if_match = Version{*from.if_match()};
    context.replay = to_optional(from.replay());
    context.hops = from.hops();
    if (const auto causation = to_optional(from.causation())) {
      context.causation = schemas::EventId(*causation);
    }
    return context;
  }

  std::optional<Command> to_command(const rpc::Submit& submit) {
    // Verified is that the table fits its type if it is there.
    if (submit.command() == nullptr) return std::nullopt;
    switch (submit.command_type()) {
      case rpc::Command::CreateOrganization: {
        const auto& from = *submit.command_as_CreateOrganization();
        return CreateOrganization{.name = to_string(from.name()), .slug = to_string(from.slug())};
      }
      case rpc::Command::ChangeOrganization: {
        const auto& from = *submit.command_as_ChangeOrganization();
        return ChangeOrganization{.id = from_fb(from.id()),
                                  .name = to_optional(from.name()),
                                  .slug = to_optional(from.slug())};
      }
      case rpc::Command::SuspendOrganization:
        return SuspendOrganization{from_fb(submit.command_as_SuspendOrganization()->id())};
      case rpc::Command::ResumeOrganization:
        return ResumeOrganization{from_fb(submit.command_as_ResumeOrganization()->id())};
      case rpc::Command::CreateKey:
        return to_create_key(*submit.command_as_CreateKey());
      case rpc::Command::RotateKey: {
        const auto& from = *submit.command_as_RotateKey();
        return RotateKey{.id = from_fb(from.id()),
                         .digest = to_string(from.digest()),
                         .hint = to_string(from.hint()),
                         .overlap = std::chrono::seconds(from.overlap_seconds())};
      }
      case rpc::Command::RevokeKey:
        return RevokeKey{from_fb(submit.command_as_RevokeKey()->id())};
      case rpc::Command::DeclareProduct: {
        const auto& from = *submit.command_as_DeclareProduct();
        return DeclareProduct{.name = to_string(from.name()),
                              .manifest = to_string(from.manifest())};
      }
      case rpc::Command::CreateProject: {
        const auto& from = *submit.command_as_CreateProject();
        return CreateProject{.name = to_string(from.name()), .slug = to_optional(from.slug())};
      }
      case rpc::Command::ChangeProject: {
        const auto& from = *submit.command_as_ChangeProject();
        return ChangeProject{.id = from_fb(from.id()),
                             .name = to_optional(from.name()),
                             .slug = to_optional(from.slug())};
      }
      case rpc::Command::ArchiveProject:
        return ArchiveProject{from_fb(submit.command_as_ArchiveProject()->id())};
      case rpc::Command::RestoreProject:
        return RestoreProject{from_fb(submit.command_as_RestoreProject()->id())};
      case rpc::Command::DeleteProject:
        return DeleteProject{from_fb(submit.command_as_DeleteProject()->id())};
      case rpc::Command::AppendEvents:
        return to_append(*submit.command_as_AppendEvents());
      default:
        return to_part_of_project(submit);
    }
  }

  std::optional<Command> to_part_of_project(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::CreateEnvironment: {
        const auto& from = *submit.command_as_CreateEnvironment();
        return CreateEnvironment{.project = from_fb(from.project()),
                                 .name = to_string(from.name())};
      }
      case rpc::Command::DeleteEnvironment: {
        const auto& from = *submit.command_as_DeleteEnvironment();
        return DeleteEnvironment{.project = from_fb(from.project()),
                                 .name = to_string(from.name())};
      }
      case rpc::Command::PutMember: {
        const auto& from = *submit.command_as_PutMember();
        return PutMember{.project = from_fb(from.project()),
                         .user = to_string(from.user()),
                         .role = known(from.role(), schemas::Role::owner)};
      }
      case rpc::Command::RemoveMember: {
        const auto& from = *submit.command_as_RemoveMember();
        return RemoveMember{.project = from_fb(from.project()), .user = to_string(from.user())};
      }
      case rpc::Command::ChangeSettings: {
        const auto& from = *submit.command_as_ChangeSettings();
        return ChangeSettings{.project = from_fb(from.project()),
                              .environment = to_optional(from.environment()),
                              .patch = to_string(from.patch())};
      }
      case rpc::Command::PutSecret: {
        const auto& from = *submit.command_as_PutSecret();
        return PutSecret{.project = from_fb(from.project()),
                         .environment = to_optional(from.environment()),
                         .name = to_string(from.name()),
                         .value = to_string(from.value())};
      }
      case rpc::Command::RevealSecret: {
        const auto& from = *submit.command_as_RevealSecret();
        return RevealSecret{
            .project = from_fb(from.project()),
            .environment = to_optional(from.environment()),
            .name = to_string(from.name()),
            .version = from.version() ? std::optional(Version{*from.version()}) : std::nullopt};
      }
      case rpc::Command::DeleteSecret: {
        const auto& from = *submit.command_as_DeleteSecret();
        return DeleteSecret{.project = from_fb(from.project()),
                            .environment = to_optional(from.environment()),
                            .name = to_string(from.name())};
      }
      default:
        return to_resources(submit);
    }
  }

  /// What the platform and owners ask of resources.
  std::optional<Command> to_resources(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::PutResourceKind: {
        const auto& from = *submit.command_as_PutResourceKind();
        return PutResourceKind{.name = to_string(from.name()),
                               .external = from.external(),
                               .unit_cost = to_unit_cost(from.unit_cost())};
      }
      case rpc::Command::PutQuota: {
        const auto& from = *submit.command_as_PutQuota();
        return PutQuota{
            .kind = to_string(from.kind()), .count = from.count(), .units = from.units()};
      }
      case rpc::Command::CreateResource: {
        const auto& from = *submit.command_as_CreateResource();
        return CreateResource{.project = from_fb(from.project()),
                              .environment = to_string(from.environment()),
                              .kind = to_string(from.kind()),
                              .name = to_string(from.name()),
                              .units = from.units(),
                              .spec = to_string(from.spec())};
      }
      case rpc::Command::ScaleResource: {
        const auto& from = *submit.command_as_ScaleResource();
        return ScaleResource{.id = from_fb(from.id()), .units = from.units()};
      }
      case rpc::Command::ConfigureResource: {
        const auto& from = *submit.command_as_ConfigureResource();
        return ConfigureResource{.id = from_fb(from.id()), .patch = to_string(from.patch())};
      }
      case rpc::Command::DeleteResource:
        return DeleteResource{from_fb(submit.command_as_DeleteResource()->id())};
      default:
        return to_report(submit);
    }
  }

  /// What provisioners and the program itself say of resources.
  std::optional<Command> to_report(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::ReportResource: {
        const auto& from = *submit.command_as_ReportResource();
        return ReportResource{.id = from_fb(from.id()),
                              .state = known(from.state(), Reported::deprovisioned),
                              .observed = Version{from.observed()},
                              .detail = to_optional(from.detail()),
                              .outputs = to_optional(from.outputs())};
      }
      case rpc::Command::ReportHealth: {
        const auto& from = *submit.command_as_ReportHealth();
        return ReportHealth{.id = from_fb(from.id()),
                            .health = known(from.health(), schemas::Health::unhealthy),
                            .detail = to_optional(from.detail())};
      }
      case rpc::Command::RecordCost: {
        const auto& from = *submit.command_as_RecordCost();
        return RecordCost{.id = from_fb(from.id()),
                          .amount = to_string(from.amount()),
                          .currency = to_string(from.currency()),
                          .from = to_time(from.from()),
                          .to = to_time(from.to()),
                          .note = to_optional(from.note())};
      }
      case rpc::Command::DeprovisionResource: {
        const auto& from = *submit.command_as_DeprovisionResource();
        return DeprovisionResource{.id = from_fb(from.id())};
      }
      default:
        return to_webhooks(submit);
    }
  }

  std::optional<Command> to_webhooks(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::CreateEndpoint: {
        const auto& from = *submit.command_as_CreateEndpoint();
        return CreateEndpoint{.id = from_fb(from.id()),
                              .project = to_optional(from.project()),
                              .retry_policy = to_optional(from.retry_policy()),
                              .config = to_string(from.config()),
                              .secret = to_string(from.secret()),
                              .headers = to_optional(from.headers()),
                              .start = to_string(from.start())};
      }
      case rpc::Command::ChangeEndpoint: {
        const auto& from = *submit.command_as_ChangeEndpoint();
        return ChangeEndpoint{.id = from_fb(from.id()),
                              .based_on = Version{from.based_on()},
                              .project = to_optional(from.project()),
                              .retry_policy = to_optional(from.retry_policy()),
                              .config = to_string(from.config()),
                              .headers = to_optional(from.headers())};
      }
      case rpc::Command::RotateEndpointSecret: {
        const auto& from = *submit.command_as_RotateEndpointSecret();
        return RotateEndpointSecret{.id = from_fb(from.id()),
                                    .secret = to_string(from.secret()),
                                    .overlap = std::chrono::seconds(from.overlap_seconds())};
      }
      case rpc::Command::PauseEndpoint: {
        const auto& from = *submit.command_as_PauseEndpoint();
        return PauseEndpoint{.id = from_fb(from.id()),
                             .disable = from.disable(),
                             .reason = to_string(from.reason())};
      }
      case rpc::Command::ResumeEndpoint: {
        const auto& from = *submit.command_as_ResumeEndpoint();
        return ResumeEndpoint{.id = from_fb(from.id()), .start = to_optional(from.start())};
      }
      case rpc::Command::TestEndpoint:
        return TestEndpoint{from_fb(submit.command_as_TestEndpoint()->id())};
      case rpc::Command::DeleteEndpoint:
        return DeleteEndpoint{from_fb(submit.command_as_DeleteEndpoint()->id())};
      case rpc::Command::CreateRetryPolicy:
        return CreateRetryPolicy{to_string(submit.command_as_CreateRetryPolicy()->config())};
      case rpc::Command::ChangeRetryPolicy: {
        const auto& from = *submit.command_as_ChangeRetryPolicy();
        return ChangeRetryPolicy{.id = from_fb(from.id()),
                                 .based_on = Version{from.based_on()},
                                 .config = to_string(from.config())};
      }
      case rpc::Command::DeleteRetryPolicy:
        return DeleteRetryPolicy{from_fb(submit.command_as_DeleteRetryPolicy()->id())};
      default:
        return to_deliveries(submit);
    }
  }

  std::optional<Command> to_deliveries(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::RecordDeliveries: {
        const auto& from = *submit.command_as_RecordDeliveries();
        auto record = [this](const rpc::DeliveryRecord* one) { return to_record(*one); };
        return RecordDeliveries{.endpoint = from_fb(from.endpoint()),
                                .generation = from.generation(),
                                .deliveries = to_vector(from.deliveries(), record),
                                .cursor = to_optional(from.cursor()),
                                .replay = to_optional(from.replay()),
                                .pipeline = to_optional(from.pipeline()),
                                .version = Version{from.version()}};
      }
      case rpc::Command::ResendDeliveries: {
        return ResendDeliveries{to_uuids(submit.command_as_ResendDeliveries()->ids())};
      }
      case rpc::Command::SkipDeliveries: {
        const auto& from = *submit.command_as_SkipDeliveries();
        return SkipDeliveries{
            .endpoint = from_fb(from.endpoint()),
            .generation = from.generation() ? std::optional(*from.generation()) : std::nullopt,
            .since = to_time(from.since()),
            .ids = to_uuids(from.ids()),
            .reason = to_string(from.reason()),
            .replay = to_optional(from.replay()),
            .pipeline = to_optional(from.pipeline())};
      }
      case rpc::Command::ForgetDeliveries: {
        const auto& from = *submit.command_as_ForgetDeliveries();
        return ForgetDeliveries{to_uuids(from.ids()), to_time(from.ended_before())};
      }
      default:
        return to_replays(submit);
    }
  }

  std::optional<Command> to_replays(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::RequestReplay: {
        const auto& from = *submit.command_as_RequestReplay();
        return RequestReplay{.id = from_fb(from.id()),
                             .project = to_optional(from.project()),
                             .endpoint = to_optional(from.endpoint()),
                             .config = to_string(from.config()),
                             .from = to_string(from.from()),
                             .to = to_string(from.to()),
                             .pipeline = to_optional(from.pipeline())};
      }
      case rpc::Command::PauseReplay: {
        const auto& from = *submit.command_as_PauseReplay();
        return PauseReplay{.id = from_fb(from.id()), .reason = to_string(from.reason())};
      }
      case rpc::Command::ResumeReplay:
        return ResumeReplay{from_fb(submit.command_as_ResumeReplay()->id())};
      case rpc::Command::CancelReplay: {
        const auto& from = *submit.command_as_CancelReplay();
        return CancelReplay{.id = from_fb(from.id()), .reason = to_string(from.reason())};
      }
      case rpc::Command::CompleteReplay: {
        const auto& from = *submit.command_as_CompleteReplay();
        return CompleteReplay{.id = from_fb(from.id()),
                              .succeeded = from.succeeded(),
                              .exhausted = from.exhausted(),
                              .skipped = from.skipped()};
      }
      default:
        return to_pipelines(submit);
    }
  }

  std::optional<Command> to_pipelines(const rpc::Submit& submit) {
    switch (submit.command_type()) {
      case rpc::Command::CreatePipeline: {
        const auto& from = *submit.command_as_CreatePipeline();
        return CreatePipeline{.project = to_optional(from.project()),
                              .endpoint = to_optional(from.endpoint()),
                              .config = to_string(from.config()),
                              .start = to_string(from.start()),
                              .paused = from.paused()};
      }
      case rpc::Command::ChangePipeline: {
        const auto& from = *submit.command_as_ChangePipeline();
        return ChangePipeline{.id = from_fb(from.id()),
                              .based_on = Version{from.based_on()},
                              .project = to_optional(from.project()),
                              .config = to_string(from.config())};
      }
      case rpc::Command::PausePipeline: {
        const auto& from = *submit.command_as_PausePipeline();
        return PausePipeline{.id = from_fb(from.id()), .reason = to_string(from.reason())};
      }
      case rpc::Command::ResumePipeline: {
        const auto& from = *submit.command_as_ResumePipeline();
        return ResumePipeline{.id = from_fb(from.id()), .start = to_optional(from.start())};
      }
      case rpc::Command::DeletePipeline:
        return DeletePipeline{from_fb(submit.command_as_DeletePipeline()->id())};
      default:
        return std::nullopt;
    }
  }

  static std::vector<Uuid> to_uuids(const flatbuffers::Vector<const fb::Uuid*>* ids) {
    return to_vector(ids, [](const fb::Uuid* id) { return from_fb(id); });
  }
  DeliveryRecord to_record(const rpc::DeliveryRecord& from) {
    return {.id = from_fb(from.id()),
            .event = from_fb(from.event()),
            .type = to_string(from.type()),
            .topic = schemas::TopicId{from.topic()},
            .offset = from.offset(),
            .index = from.index(),
            .lane = from.lane(),
            .held = from.held(),
            .attempt = from.attempt(),
            .started = to_time(from.started()),
            .status = from.status(),
            .error = to_optional(from.error()),
            .body = to_optional(from.body()),
            .resolve_us = from.resolve_us(),
            .connect_us = from.connect_us(),
            .tls_us = from.tls_us(),
            .answer_us = from.answer_us(),
            .state = known(from.state(), schemas::DeliveryState::skipped),
            .next = to_time(from.next()),
            .version = Version{from.version()},
            .found = schemas::buffer::numbers(from.found())};
  }

  std::optional<projections::UnitCost> to_unit_cost(const rpc::UnitCost* from) {
    if (from == nullptr) return std::nullopt;
    return projections::UnitCost{.amount = to_string(from->amount()),
                                 .currency = to_string(from->currency()),
                                 .per = known(from->per(), schemas::Per::day)};
  }

  AppendEvents to_append(const rpc::AppendEvents& append) {
    auto event = [](const rpc::AppendedEvent* from) {
      return AppendEvents::Event{.kind = to_string(from->kind()),
                                 .entity = to_string(from->entity()),
                                 .type = to_string(from->type()),
                                 .data = to_string(from->data()),
                                 .occurred = to_time(from->occurred()),
                                 .clear = to_optional(from->clear())};
    };
    auto condition = [this](const rpc::Condition* from) {
      return AppendEvents::Condition{
          .kind = to_string(from->kind()),
          .entity = to_string(from->entity()),
          .expected = {.is = known(from->expected(), Expected::Case::exactly),
                       .version = Version{from->version()}}};
    };
    return {.product = to_string(append.product()),
            .events = to_vector(append.events(), event),
            .conditions = to_vector(append.conditions(), condition)};
  }

  schemas::Error to_error(const rpc::Error& from) {
    using schemas::ErrorCode;
    using In = schemas::FieldError::In;
    auto field = [this](const rpc::FieldError* wrong) {
      return schemas::FieldError{known(wrong->in(), In::header), to_string(wrong->where()),
                                 to_string(wrong->detail())};
    };
    auto member = [](const rpc::Member* extra) {
      return std::pair(to_string(extra->name()), to_string(extra->json()));
    };
    // Of a newer version's code nothing is known, not even that nothing was written.
    const bool newer = from.code() > static_cast<std::uint8_t>(ErrorCode::unique_taken);
    return {.code = newer ? ErrorCode::outcome_unknown : static_cast<ErrorCode>(from.code()),
            .detail = to_string(from.detail()),
            .fields = to_vector(from.fields(), field),
            .members = to_vector(from.members(), member)};
  }

  bool ok_ = true;
};

/// Whether elements of eight bytes stand where they may be read. FlatBuffers' verifier looks at the
/// place of a vector's length only, which is four bytes wide.
bool wide_aligned(const flatbuffers::Vector<std::uint64_t>* numbers) {
  return numbers == nullptr || numbers->size() == 0 ||
         reinterpret_cast<std::uintptr_t>(numbers->Data()) % 8 == 0;
}

/// Verified bytes of a message. Those that gRPC read stand behind a header of odd length; tables
/// must stand at a multiple of eight, so they may have to move.
template <typename Root>
class Message {
 public:
  explicit Message(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0) return;
    moved_.assign(bytes.begin(), bytes.end());
    bytes_ = moved_;
  }
  /// Null if the bytes are no such message.
  const Root* root() const {
    flatbuffers::Verifier verifier(bytes_.data(), bytes_.size());
    return verifier.VerifyBuffer<Root>() ? flatbuffers::GetRoot<Root>(bytes_.data()) : nullptr;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::vector<std::uint8_t> moved_;
};

}  // namespace

schemas::Result<Questions> decode_questions(std::span<const std::uint8_t> bytes) {
  const Message<rpc::Questions> message(bytes);
  const auto* root = message.root();
  if (root == nullptr || !wide_aligned(root->over())) return malformed();
  Decoder decoder;
  auto submission = [&](const rpc::Submit* submit) { return decoder.to_submission(*submit); };
  auto number = [](std::uint64_t sequence) { return sequence; };
  Questions questions{to_vector(root->submits(), submission), to_vector(root->over(), number)};
  if (!decoder.ok()) return malformed();
  return questions;
}

schemas::Result<Answers> decode_answers(std::span<const std::uint8_t> bytes) {
  const Message<rpc::Answers> message(bytes);
  const auto* root = message.root();
  if (root == nullptr) return malformed();
  Decoder decoder;
  auto answer = [&](const rpc::Answer* from) { return decoder.to_answered(*from); };
  Answers answers{to_vector(root->answers(), answer), {}};
  if (root->taken()) answers.taken = *root->taken();
  if (!decoder.ok()) return malformed();
  return answers;
}

}  // namespace manager
