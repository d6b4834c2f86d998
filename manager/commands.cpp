#include "manager/commands.h"

#include "eventstore/topics.h"

namespace manager {
namespace {

template <typename... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};

}  // namespace

std::string_view product_of(const Command& command) {
  return std::visit(
      Overloaded{
          [](const AppendEvents& append) -> std::string_view { return append.product; },
          [](const CreateProject&) { return eventstore::projects_product; },
          [](const ChangeProject&) { return eventstore::projects_product; },
          [](const ArchiveProject&) { return eventstore::projects_product; },
          [](const RestoreProject&) { return eventstore::projects_product; },
          [](const DeleteProject&) { return eventstore::projects_product; },
          [](const CreateEnvironment&) { return eventstore::projects_product; },
          [](const DeleteEnvironment&) { return eventstore::projects_product; },
          [](const PutMember&) { return eventstore::projects_product; },
          [](const RemoveMember&) { return eventstore::projects_product; },
          [](const ChangeSettings&) { return eventstore::projects_product; },
          [](const PutSecret&) { return eventstore::projects_product; },
          [](const RevealSecret&) { return eventstore::projects_product; },
          [](const DeleteSecret&) { return eventstore::projects_product; },
          [](const CreateOrganization&) { return eventstore::identity_product; },
          [](const ChangeOrganization&) { return eventstore::identity_product; },
          [](const SuspendOrganization&) { return eventstore::identity_product; },
          [](const ResumeOrganization&) { return eventstore::identity_product; },
          [](const CreateKey&) { return eventstore::identity_product; },
          [](const RotateKey&) { return eventstore::identity_product; },
          [](const RevokeKey&) { return eventstore::identity_product; },
          [](const DeclareProduct&) { return eventstore::identity_product; },
          [](const PutResourceKind&) { return eventstore::resources_product; },
          [](const PutQuota&) { return eventstore::resources_product; },
          [](const CreateResource&) { return eventstore::resources_product; },
          [](const ScaleResource&) { return eventstore::resources_product; },
          [](const ConfigureResource&) { return eventstore::resources_product; },
          [](const DeleteResource&) { return eventstore::resources_product; },
          [](const ReportResource&) { return eventstore::resources_product; },
          [](const ReportHealth&) { return eventstore::resources_product; },
          [](const RecordCost&) { return eventstore::resources_product; },
          [](const DeprovisionResource&) { return eventstore::resources_product; },
          [](const CreateEndpoint&) { return eventstore::webhooks_product; },
          [](const ChangeEndpoint&) { return eventstore::webhooks_product; },
          [](const RotateEndpointSecret&) { return eventstore::webhooks_product; },
          [](const PauseEndpoint&) { return eventstore::webhooks_product; },
          [](const ResumeEndpoint&) { return eventstore::webhooks_product; },
          [](const TestEndpoint&) { return eventstore::webhooks_product; },
          [](const DeleteEndpoint&) { return eventstore::webhooks_product; },
          [](const CreateRetryPolicy&) { return eventstore::webhooks_product; },
          [](const ChangeRetryPolicy&) { return eventstore::webhooks_product; },
          [](const DeleteRetryPolicy&) { return eventstore::webhooks_product; },
          [](const RequestReplay&) { return eventstore::webhooks_product; },
          [](const PauseReplay&) { return eventstore::webhooks_product; },
          [](const ResumeReplay&) { return eventstore::webhooks_product; },
          [](const CancelReplay&) { return eventstore::webhooks_product; },
          [](const CompleteReplay&) { return eventstore::webhooks_product; },
          [](const CreatePipeline&) { return eventstore::webhooks_product; },
          [](const ChangePipeline&) { return eventstore::webhooks_product; },
          [](const PausePipeline&) { return eventstore::webhooks_product; },
          [](const ResumePipeline&) { return eventstore::webhooks_product; },
          [](const DeletePipeline&) { return eventstore::webhooks_product; },
          [](const RecordDeliveries&) { return eventstore::deliveries_product; },
          [](const ResendDeliveries&) { return eventstore::deliveries_product; },
          [](const SkipDeliveries&) { return eventstore::deliveries_product; },
          [](const ForgetDeliveries&) { return eventstore::deliveries_product; },
      },
      command);
}

std::size_t bytes_of(const Command& command) {
  std::size_t bytes = sizeof(Command);
  if (const auto* declare = std::get_if<DeclareProduct>(&command))
    bytes += declare->manifest.size();
  if (const auto* change = std::get_if<ChangeSettings>(&command)) bytes += change->patch.size();
  if (const auto* secret = std::get_if<PutSecret>(&command)) bytes += secret->value.size();
  if (const auto* create = std::get_if<CreateResource>(&command)) bytes += create->spec.size();
  if (const auto* change = std::get_if<ConfigureResource>(&command)) bytes += change->patch.size();
  if (const auto* report = std::get_if<ReportResource>(&command)) {
    bytes += report->outputs.value_or("").size();
  }
  if (const auto* create = std::get_if<CreateEndpoint>(&command)) {
    bytes += create->config.size() + create->secret.size() + create->headers.value_or("").size();
  }
  if (const auto* change = std::get_if<ChangeEndpoint>(&command)) {
    bytes += change->config.size() + change->headers.value_or("").size();
  }
  if (const auto* request = std::get_if<RequestReplay>(&command)) {
    bytes += request->config.size() + request->from.size() + request->to.size();
  }
  if (const auto* create = std::get_if<CreatePipeline>(&command)) {
    bytes += create->config.size() + create->start.size();
  }
  if (const auto* change = std::get_if<ChangePipeline>(&command)) bytes += change->config.size();
  if (const auto* resend = std::get_if<ResendDeliveries>(&command)) {
    bytes += resend->ids.size() * sizeof(Uuid);
  }
  if (const auto* skip = std::get_if<SkipDeliveries>(&command)) {
    bytes += skip->ids.size() * sizeof(Uuid);
  }
  if (const auto* forget = std::get_if<ForgetDeliveries>(&command)) {
    bytes += forget->ids.size() * sizeof(Uuid);
  }
  if (const auto* record = std::get_if<RecordDeliveries>(&command)) {
    for (const auto& delivery : record->deliveries) {
      bytes += sizeof delivery + delivery.type.size() + delivery.error.value_or("").size() +
               delivery.body.value_or("").size();
    }
  }
  if (const auto* append = std::get_if<AppendEvents>(&command)) {
    for (const auto& event : append->events) {
      bytes +=
          sizeof event + event.entity.size() + event.data.size() + event.clear.value_or("").size();
    }
    bytes += append->conditions.size() * sizeof(AppendEvents::Condition);
  }
  return bytes;
}

}  // namespace manager
