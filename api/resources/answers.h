#pragma once

#include <string>

#include "api/resources/ask.h"
#include "manager/commands.h"
#include "projections/read_store.h"
#include "projections/row.h"
#include "schemas/json_writer.h"

/// Writes and what all answers have in common.
namespace api::resources {

/// Runs a command of the caller where `where` says; its mark is the answer's. What the command
/// refuses has everything before it durable and visible, like what it accepts.
awaitable<Result<manager::Outcome>> write(Ask& ask, MarkOwner where, manager::Command command);

/// What every command of this request carries.
manager::CommandContext command_context(const Ask& ask, MarkOwner where);

/// Whoever does not know whether a write happened repeats it with the key that it came with: the
/// outcome is then the first one's, if there was one. Without a key, reading back decides.
void name_key_to_retry_with(std::optional<std::string_view> key, schemas::Error& error);

/// What a request gets whose rows the disk refuses to read; the log says why.
std::unexpected<schemas::Error> rows_unreadable(std::string_view request,
                                                const projections::StoreFailure& failure);

/// The members in which a rendered entity ends.
schemas::json::Writer& write_times(schemas::json::Writer& writer, const projections::RowHead& head);

/// 201, for what was made now or by the first request with the same idempotency key.
Response created(const manager::Outcome& outcome, std::string_view location, std::string body);
/// 202 and the entity as it is meanwhile: the rest goes on in the background.
Response accepted(const manager::Outcome& outcome, std::string body);
/// 200 and the entity after the change.
Response changed(const manager::Outcome& outcome, std::string body);
/// 204.
Response removed(const manager::Outcome& outcome);

/// One entity as read: 200, or 304 when the caller has this version.
Response entity_answer(const Ask& ask, schemas::Version version, std::string body);

}  // namespace api::resources
