#include "manager/command_handler.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>

#include "projections/layered_rows.h"
#include "schemas/batch.h"
#include "schemas/planted.h"

namespace manager {
namespace {

using eventstore::Payload;
using eventstore::RecordKind;
using projections::guarded;
using projections::LayeredRows;
using projections::RowReader;
using projections::WriteSet;
using schemas::LogId;
using schemas::Offset;

schemas::Error too_much() {
  return {ErrorCode::overloaded,
          "too much waits to be written; nothing of this command was written, try it again",
          {},
          {}};
}

/// Rows as they will be when everything in flight is applied.
std::string subject_row(const RowReader& rows, const CommandContext& context, LogId log,
                        std::string_view kind, const Entity& subject) {
  Reader reader(rows, context.organization, context.space);
  return reader.find(log.topic, kind, subject).value_or("");
}

schemas::BatchHead head_of(const CommandContext& context, Time now) {
  return {.organization = context.organization,
          .space = context.space,
          .actor = context.actor,
          .correlation = context.correlation,
          .traceparent = context.traceparent,
          .recorded = now,
          .command = schemas::CommandId(schemas::make_uuid(now)),
          .idempotency = context.idempotency,
          .references = {},
          .hops = context.hops,
          .replay = context.replay};
}

/// Whether deciding it looks at rows of other products.
bool refers(const Command& command) {
  const auto is_one_of = [&]<typename... Kinds>(std::variant<Kinds...>*) {
    return (std::holds_alternative<Kinds>(command) || ...);
  };
  using Referring = std::variant<DeleteEnvironment, CreateEndpoint, ChangeEndpoint,
                                 ResendDeliveries, RequestReplay, CreatePipeline, ChangePipeline>;
  return is_one_of(static_cast<Referring*>(nullptr)) ||
         product_of(command) == eventstore::resources_product;
}

}  // namespace

schemas::Error CommandHandler::no_brokers() {
  return {ErrorCode::no_owner, "the brokers of the log do not answer; try it again", {}, {}};
}

schemas::Error CommandHandler::not_ours() {
  return {ErrorCode::not_owner, "another process writes this partition; try it again", {}, {}};
}

boost::asio::awaitable<schemas::Result<Outcome>> Commands::execute(CommandContext context,
                                                                   Command command) {
  namespace asio = boost::asio;
  auto initiate = [this](auto handler, CommandContext asked_context, Command asked) {
    auto executor = asio::get_associated_executor(handler);
    auto done = [executor, handler = std::move(handler)](schemas::Result<Outcome> result) mutable {
      asio::post(executor, [handler = std::move(handler), result = std::move(result)]() mutable {
        std::move(handler)(std::move(result));
      });
    };
    submit(std::move(asked_context), std::move(asked), std::move(done));
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(schemas::Result<Outcome>)>(
      std::move(initiate), asio::use_awaitable, std::move(context), std::move(command));
}

std::optional<schemas::Error> CommandHandler::overloaded(schemas::OrganizationId organization) {
  if (!load_.sheds(organization, Turns<Asked>::some)) return std::nullopt;
  return too_much();
}

void CommandHandler::submit(CommandContext context, Command command, Done done) {
  const auto bytes = bytes_of(command);
  const auto kind = context.sequence ? Load::Kind::bulk : Load::Kind::single;
  const auto number = context.sequence ? context.sequence->next() : 0;
  const std::size_t alone = kind == Load::Kind::single ? 1 : 0;
  if (!load_.enter(context.organization, kind,
                   {.commands = 1, .bytes = bytes, .undecided = alone})) {
    // At once: a later line of the same sequence must not slip in before the answer is posted.
    if (context.sequence) context.sequence->refuse(number);
    boost::asio::post(parts_.core, [done = std::move(done)]() mutable { done(fail(too_much())); });
    return;
  }
  Asked asked{std::move(context),       std::move(command),
              std::move(done),          bytes,
              parts_.clock.monotonic(), number};
  bool drains = false;
  {
    std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(std::move(asked));
    drains = std::exchange(drains_, true);
  }
  if (!drains) boost::asio::post(parts_.core, [this] { drain(); });
}

/// Decides for a slice of time; what waits then waits behind durable groups that came meanwhile.
void CommandHandler::drain() {
  std::vector<Asked> inbox;
  {
    std::lock_guard lock(inbox_mutex_);
    inbox.swap(inbox_);
  }
  for (auto& asked : inbox) turns_.add(std::move(asked));
  const auto decided = [this](const Asked& asked) {
    if (asked.bulk) return;
    const bool sheds = turns_.sheds(asked.organization);
    load_.decided(asked.organization, sheds ? Load::Sheds::yes : Load::Sheds::no);
  };
  const auto decide_now = [&](Asked asked) {
    decided(asked);
    take(std::move(asked));
  };
  const auto shed = [&](Asked asked) {
    decided(asked);
    refuse(std::move(asked), too_much());
  };
  turns_.run([this] { return parts_.clock.monotonic(); }, decide_now, shed);
  parts_.store.flush();
  {
    std::lock_guard lock(inbox_mutex_);
    drains_ = !turns_.empty() || !inbox_.empty();
    if (!drains_) return;
  }
  boost::asio::post(parts_.core, [this] { drain(); });
}

void CommandHandler::take(Asked asked) {
  auto log = route(asked);
  if (!log) return refuse(std::move(asked), std::move(log).error());
  auto& partition = partitions_[*log];
  if (partition.stalled && !partition.records.empty())
    return refuse(std::move(asked), no_brokers());
  const auto standing = standing_of(*log);
  if (standing == Ownership::Standing::others) return refuse(std::move(asked), not_ours());
  if (!parts_.store.owned(*log)) {
    partition.unclaimed.push_back(std::move(asked));
    if (standing == Ownership::Standing::ours) parts_.store.claim(*log);
    return;
  }
  if (lacks_topic(asked) && would_write(*log, asked)) return declare_topic(std::move(asked));
  run(*log, std::move(asked));
}

bool CommandHandler::lacks_topic(const Asked& asked) const {
  const auto* declare = std::get_if<DeclareProduct>(&asked.command);
  return declare != nullptr && !parts_.topics.find(declare->name);
}

/// Why there can be no more topics, if so.
std::optional<schemas::Error> CommandHandler::refuse_topic() const {
  if (parts_.topics.all().size() >= topics_max) {
    return schemas::Error{
        ErrorCode::invalid_request,
        "there are as many products as one mark can name; no more can be declared",
        {},
        {}};
  }
  if (!parts_.topics.has_room()) {
    return schemas::Error{ErrorCode::invalid_request,
                          "with one more product of " +
                              std::to_string(parts_.topics.partition_count()) +
                              " partitions the log would have more than " +
                              std::to_string(eventstore::partitions_max) +
                              " in all; no more can be declared: a log made with fewer partitions "
                              "(--partitions) holds more products",
                          {},
                          {}};
  }
  return std::nullopt;
}

/// Whether the command would be written now. A topic is for ever: none is made for a manifest that
/// its conditions, its idempotency key or its text will have refused.
bool CommandHandler::would_write(LogId log, const Asked& asked) {
  if (refuse_to_write(asked, log)) return false;
  auto decision = guarded([&]() -> Result<Decision> {
    auto now = parts_.store.now(log);
    if (!now) return std::unexpected(std::move(now).error());
    OverlaidRows rows(parts_.rows, overlay_.changes());
    if (repeat(log, asked, rows, *now)) return Decision{};
    return decide_on(log, asked, Reader(rows, asked.context.organization, asked.context.space),
                     *now);
  });
  return decision && !decision->events.empty();
}

/// A new product needs its topic before its first manifest: the command waits for that. One topic
/// at a time, so that no two get the same number.
void CommandHandler::declare_topic(Asked asked) {
  topicless_.push_back(std::move(asked));
  if (topicless_.size() > 1) return;
  const auto& name = std::get<DeclareProduct>(topicless_.front().command).name;
  schemas::TopicAdded added{parts_.topics.next_id(), name};
  append_control(added, [this](Result<void> done) {
    auto waiting = std::exchange(topicless_, {});
    for (auto& command : waiting) {
      if (done) {
        take(std::move(command));
      } else {
        refuse(std::move(command), done.error());
      }
    }
    parts_.store.flush();
  });
}

Result<LogId> CommandHandler::route(const Asked& asked) const {
  auto product = product_of(asked.command);
  auto topic = parts_.topics.find(product);
  if (!topic) {
    // Its manifest may have come before the record of tm.log that names its topic.
    const Reader platform(parts_.rows, schemas::platform_organization, Space::live);
    const auto identity = parts_.topics.find(eventstore::identity_product);
    const bool declared =
        parts_.log.shared() && identity &&
        platform.find(*identity, projections::Product::kind, {{}, std::string(product)});
    if (declared) {
      return fail(ErrorCode::no_owner, "the product's topic is not known here yet; try it again");
    }
    return fail(ErrorCode::not_found, "there is no product '" + std::string(product) + "'");
  }
  return parts_.topics.log_of(*topic, asked.context.organization);
}

void CommandHandler::run(LogId log, Asked asked) {
  auto& partition = partitions_[log];
  std::optional<Offset> written;
  auto refused = refuse_to_write(asked, log);
  Result<Outcome> result = refused ? std::unexpected(std::move(*refused))
                                   : guarded([&] { return handle(log, asked, written); });
  if (!result && asked.context.sequence) asked.context.sequence->refuse(asked.number);
  const bool needs_rows = written.has_value();
  if (!written) written = confirm(log, partition);
  partition.line.push_back({.offset = written,
                            .result = std::move(result),
                            .done = std::move(asked.done),
                            .organization = asked.context.organization,
                            .bytes = asked.bytes,
                            .load = asked.load(),
                            .sequence = asked.context.sequence,
                            .number = asked.number,
                            .needs_rows = needs_rows,
                            .since = asked.since});
  // Answers that wait for nothing need no durable group to release them.
  if (partition.records.empty()) answer_line(partition, 0);
  if (planted(schemas::Fault::answer_refusals_at_once) && !partition.line.empty() && !written) {
    auto refusal = std::move(partition.line.back());
    partition.line.pop_back();
    answer(refusal);
  }
}

std::optional<schemas::Error> CommandHandler::refuse_to_write(const Asked& asked, LogId log) const {
  if (asked.context.sequence && asked.context.sequence->refuses(asked.number)) {
    return schemas::Error{ErrorCode::overloaded, "not tried: an earlier line was refused", {}, {}};
  }
  if (behind_) return behind_;
  if (auto broken = parts_.rows.broken()) return broken;
  if (auto read_only = parts_.log.read_only()) return read_only;
  const auto* frozen =
      parts_.projector.frozen({asked.context.organization, asked.context.space, log.topic});
  if (frozen != nullptr) {
    return schemas::Error{ErrorCode::projection_frozen, frozen->reason, {}, {}};
  }
  return lacks_topic(asked) ? refuse_topic() : std::nullopt;
}

Result<Outcome> CommandHandler::handle(LogId log, const Asked& asked,
                                       std::optional<Offset>& written) {
  auto now = parts_.store.now(log);
  if (!now) return std::unexpected(std::move(now).error());
  OverlaidRows rows(parts_.rows, overlay_.changes());
  if (auto repeated = repeat(log, asked, rows, *now)) return std::move(*repeated);
  auto decision =
      decide_on(log, asked, Reader(rows, asked.context.organization, asked.context.space), *now);
  if (!decision) return std::unexpected(std::move(decision).error());
  if (decision->events.empty()) {
    return Outcome{.position = parts_.store.tip(log).position(log),
                   .recorded = *now,
                   .unchanged = true,
                   .events = {},
                   .subject = decision->subject,
                   .row = subject_row(rows, asked.context, log, decision->kind, decision->subject)};
  }
  for (auto& event : decision->events) event.causation = asked.context.causation;
  auto outcome = append(log, asked, *decision, *now, rows);
  if (outcome) written = static_cast<Offset>(outcome->position.offset);
  return outcome;
}

Result<Decision> CommandHandler::decide_on(LogId log, const Asked& asked, const Reader& view,
                                           Time now) {
  Context context{.view = view,
                  .organization = asked.context.organization,
                  .topic = log.topic,
                  .now = now,
                  .new_id = [now] { return schemas::make_uuid(now); },
                  .if_match = asked.context.if_match,
                  .rights = asked.context.rights.get(),
                  .type_in_use = {}};
  std::optional<References> references;
  if (refers(asked.command)) {
    references.emplace(
        References{.own = Reader(parts_.rows, asked.context.organization, asked.context.space),
                   .platform = Reader(parts_.rows, schemas::platform_organization, Space::live),
                   .projects = *parts_.topics.find(eventstore::projects_product),
                   .resources = *parts_.topics.find(eventstore::resources_product),
                   .webhooks = *parts_.topics.find(eventstore::webhooks_product)});
    context.references = &*references;
  }
  if (const auto* events = std::get_if<AppendEvents>(&asked.command)) {
    auto manifest = manifest_of(events->product);
    if (!manifest) return std::unexpected(std::move(manifest).error());
    if (auto unmade = unmade_rule(events->product, **manifest)) return fail(std::move(*unmade));
    context.manifest = *manifest;
  }
  if (const auto* declare = std::get_if<DeclareProduct>(&asked.command)) {
    context.type_in_use = [this, name = declare->name](std::string_view kind,
                                                       std::string_view type) {
      auto topic = parts_.topics.find(name);
      return topic && parts_.rows.get(projections::used_type_key(*topic, kind, type)).has_value();
    };
  }
  return std::visit([&](const auto& command) { return decide(context, command); }, asked.command);
}

/// The first answer again, if this idempotency key has one.
std::optional<Result<Outcome>> CommandHandler::repeat(LogId log, const Asked& asked,
                                                      const RowReader& rows, Time now) {
  const auto& proof = asked.context.idempotency;
  if (!proof) return std::nullopt;
  auto first = projections::find_first_answer(rows, asked.context.organization, asked.context.space,
                                              log.topic, proof->key);
  if (!first || first->recorded + projections::idempotency_window <= now) return std::nullopt;
  if (first->request != proof->request) {
    return fail(ErrorCode::idempotency_key_reused,
                "this Idempotency-Key was used with another request; use a new key");
  }
  const auto& partition = partitions_[log];
  const bool durable =
      partition.records.empty() || first->offset < partition.records.front().offset;
  if (durable) return read_first(log, first->offset, rows);
  for (const auto& ahead : partition.line) {
    if (ahead.offset != first->offset || !ahead.result) continue;
    auto outcome = *ahead.result;
    outcome.replayed = true;
    return outcome;
  }
  return fail(ErrorCode::outcome_unknown,
              "the first command with this Idempotency-Key is still being written; ask again");
}

/// The first answer stands, whether or not it can be read now.
Result<Outcome> CommandHandler::read_first(LogId log, Offset offset, const RowReader& rows) const {
  auto outcome = read_outcome(log, offset, rows);
  if (outcome || !parts_.log.shared()) return outcome;
  return fail(
      ErrorCode::no_owner,
      "the first answer cannot be read from the brokers now; ask again: " + outcome.error().detail);
}

Result<Outcome> CommandHandler::read_outcome(LogId log, Offset offset,
                                             const RowReader& rows) const {
  auto record = parts_.log.read_one(log, offset);
  if (!record) return std::unexpected(std::move(record).error());
  ENSURE(record->head.kind == RecordKind::events);
  auto batch = schemas::BatchView::trusted(record->payload.bytes());
  Outcome outcome{
      .position = {log, static_cast<std::int64_t>(offset), schemas::Position::whole_record,
                   record->head.epoch, record->head.sequence, record->head.chain},
      .recorded = batch.recorded(),
      .replayed = true,
      .events = {},
      .subject = batch.event(0).entity(),
      .row = {}};
  for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
    auto event = batch.event(i);
    outcome.events.push_back(
        {event.id(), std::string(event.kind()), event.entity(), event.version()});
  }
  Reader reader(rows, batch.organization(), batch.space());
  outcome.row = reader
                    .find_as_of(log.topic, batch.event(0).kind(), outcome.subject,
                                static_cast<std::int64_t>(offset))
                    .value_or("");
  // Nobody is shown a declared entity's row here.
  if (!outcome.row.empty() && projections::decode_head(outcome.row, nullptr).trimmed) {
    outcome.row.clear();
  }
  return outcome;
}

Result<Outcome> CommandHandler::append(LogId log, const Asked& asked, const Decision& decision,
                                       Time now, const RowReader& rows) {
  const auto& context = asked.context;
  auto head = head_of(context, now);
  if (std::holds_alternative<AppendEvents>(asked.command)) {
    auto manifests = parts_.topics.log_of(*parts_.topics.find(eventstore::identity_product),
                                          schemas::platform_organization);
    head.references.push_back({manifests, parts_.progress.applied_end(manifests)});
  }
  for (const auto& [topic, organization] : decision.looked_at) {
    const auto looked_at = parts_.topics.log_of(topic, organization);
    head.references.push_back({looked_at, parts_.progress.applied_end(looked_at)});
  }
  auto built = schemas::build_batch(head, decision.events);
  if (built.bytes.size() + eventstore::RecordHead::size_bytes > eventstore::record_size_max) {
    return fail(ErrorCode::record_too_large,
                "the record would have " + std::to_string(built.bytes.size()) +
                    " bytes; a record has at most 4 MiB: send fewer or smaller events");
  }
  const auto& before = parts_.store.tip(log);
  InFlight record{.offset = before.next_offset,
                  .epoch = before.epoch,
                  .sequence = before.sequence,
                  .ticket = next_ticket_,
                  .changes = {},
                  .organization = context.organization,
                  .bytes = built.bytes.size(),
                  .indexes = parts_.projector.indexes_generation(),
                  .load = asked.load(),
                  .since = parts_.clock.monotonic()};
  const projections::FoldedRecord as_written{log, record.offset,
                                             schemas::BatchView::trusted(built.bytes),
                                             parts_.projector.indexes(log.topic)};
  auto folded = projections::fold(rows, as_written, record.changes, fold_limits);
  if (!folded && folded.error().code == ErrorCode::record_too_large) {
    return std::unexpected(std::move(folded).error());
  }
  if (!folded) {
    // What our own fold cannot apply is never appended: it would freeze the organization.
    spdlog::error("decided events do not fold product={} reason=\"{}\"",
                  parts_.topics.name(log.topic), folded.error().detail);
    return fail(ErrorCode::internal, "the command could not be applied; nothing was written");
  }
  record.bytes += *folded;
  if (!load_.enter(record.organization, record.load, {.bytes = record.bytes}))
    return fail(too_much());
  ++next_ticket_;
  const auto& tip = parts_.store.submit(log, RecordKind::events, Payload(built.owner, built.bytes));
  Outcome outcome{.position = tip.position(log),
                  .recorded = now,
                  .events = {},
                  .subject = decision.subject,
                  .row = {}};
  LayeredRows after(parts_.rows, record.changes);
  outcome.row = subject_row(after, context, log, decision.kind, decision.subject);
  for (const auto& draft : decision.events) {
    outcome.events.push_back({draft.id, std::string(draft.kind), draft.entity, draft.version});
  }
  // Only now do the changes stand where they stay.
  const auto& kept = partitions_[log].records.emplace_back(std::move(record));
  overlay_.add(kept.ticket, kept.changes);
  return outcome;
}

Result<const Manifest*> CommandHandler::manifest_of(const std::string& product) {
  // Another product's rows: durable ones only, never the overlay.
  Reader platform(parts_.rows, schemas::platform_organization, Space::live);
  auto row = platform.get<projections::Product>(*parts_.topics.find(eventstore::identity_product),
                                                Entity{{}, product});
  if (!row) return fail(ErrorCode::not_found, "there is no product '" + product + "'");
  auto version = static_cast<std::uint32_t>(to_number(row->head.version));
  auto found = manifests_.find(product);
  if (found != manifests_.end() && found->second.version() == version) return &found->second;
  auto manifest = Manifest::parse(row->state.manifest, version);
  if (!manifest) return std::unexpected(std::move(manifest).error());
  return &manifests_.insert_or_assign(product, std::move(*manifest)).first->second;
}

/// A unique rule is looked up in its index, which has to be whole.
std::optional<schemas::Error> CommandHandler::unmade_rule(const std::string& product,
                                                          const Manifest& manifest) const {
  for (const auto& [name, kind] : manifest.kinds()) {
    for (const auto& rule : kind.unique) {
      auto build = projections::find_build(parts_.rows, product, name, rule);
      if (build && build->done) continue;
      return schemas::Error{ErrorCode::mark_not_reached,
                            "the rows by which " + name + " keeps " + rule.pointers.front() +
                                " unique are still being made; nothing was written, try it again",
                            {},
                            {}};
    }
  }
  return std::nullopt;
}

void CommandHandler::append_control(schemas::Control control,
                                    std::function<void(Result<void>)> done) {
  const auto log = eventstore::log_partition;
  auto& partition = partitions_[log];
  partition.controls.emplace_back(std::move(control), std::move(done), parts_.clock.monotonic());
  if (!parts_.store.owned(log)) return parts_.store.claim(log);
  submit_controls(log, partition);
  parts_.store.flush();
}

/// With the partition owned, all that `tm.log` holds is folded: what another process wrote
/// meanwhile is not written again.
bool CommandHandler::is_said(const schemas::Control& control) const {
  if (std::holds_alternative<schemas::LogIdentity>(control)) {
    return parts_.topics.partition_count() != 0;
  }
  const auto* added = std::get_if<schemas::TopicAdded>(&control);
  return added != nullptr && parts_.topics.find(added->name).has_value();
}

void CommandHandler::submit_controls(LogId log, Partition& partition) {
  // One after the other: what each is given depends on what was folded before it.
  while (partition.records.empty() && !partition.controls.empty()) {
    auto [control, done, since] = std::move(partition.controls.front());
    partition.controls.pop_front();
    if (is_said(control)) {
      done({});
      continue;
    }
    if (auto* added = std::get_if<schemas::TopicAdded>(&control)) {
      added->topic = parts_.topics.next_id();
      // What is named and not there was lost, for whoever comes.
      auto made =
          parts_.log.make_topic({added->topic, added->name, parts_.topics.partition_count()},
                                eventstore::MayHold::nothing);
      if (!made) {
        done(std::move(made));
        continue;
      }
    }
    auto built = schemas::build_control(control);
    auto finish = [done](Result<Outcome> result) {
      done(result ? Result<void>() : std::unexpected(std::move(result).error()));
    };
    const auto platform = schemas::platform_organization;
    const auto offset =
        submit_apart(log, partition, RecordKind::control, Payload(built.owner, built.bytes));
    load_.add(platform, {.commands = 1});
    partition.line.push_back({.offset = offset,
                              .result = Outcome{.position = parts_.store.tip(log).position(log),
                                                .recorded = {},
                                                .events = {},
                                                .subject = {},
                                                .row = {}},
                              .done = std::move(finish),
                              .organization = platform,
                              .needs_rows = false,
                              .since = parts_.clock.monotonic()});
  }
}

/// A record that changes no rows.
Offset CommandHandler::submit_apart(LogId log, Partition& partition, RecordKind kind,
                                    Payload payload) {
  const auto& before = parts_.store.tip(log);
  const auto offset = before.next_offset;
  partition.records.push_back({.offset = offset,
                               .epoch = before.epoch,
                               .sequence = before.sequence,
                               .ticket = next_ticket_++,
                               .changes = {},
                               .organization = schemas::platform_organization,
                               .bytes = 0,
                               .since = parts_.clock.monotonic()});
  parts_.store.submit(log, kind, std::move(payload));
  return offset;
}

/// Where others may write, an answer that writes nothing is only right if this process still owns
/// the partition. When nothing has said so lately, a record of its own that counts does.
std::optional<Offset> CommandHandler::confirm(LogId log, Partition& partition) {
  const bool believed = parts_.clock.monotonic() - partition.confirmed < ownership_believed;
  if (!parts_.log.shared() || !partition.records.empty() || believed) return std::nullopt;
  return submit_apart(log, partition, RecordKind::noop, Payload::copy({}));
}

Ownership::Standing CommandHandler::standing_of(LogId log) const {
  return parts_.ownership ? parts_.ownership->of(log) : Ownership::Standing::ours;
}

}  // namespace manager
