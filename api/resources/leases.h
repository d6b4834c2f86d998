#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parse.h"

/// Workers take an endpoint's events when they are ready for them: endpoints of kind pull.
///
/// A lease is an attempt that has begun: recorded in the log before the worker is told, and until
/// it runs out nobody else is given the delivery. An acknowledgement is the attempt's outcome. So
/// leases survive restarts and hold at every process; of two workers who want the same delivery the
/// decision gives it to one (manager/webhook.cpp).
namespace api::resources {

Answer lease_deliveries(Ask& ask);
Answer ack_deliveries(Ask& ask);
Answer nack_deliveries(Ask& ask);
Answer extend_leases(Ask& ask);

inline constexpr std::int64_t leased_at_once_max = 1'000;
inline constexpr std::int64_t lease_wait_max_seconds = 20;
inline constexpr std::int64_t lease_max_seconds = 12 * 60 * 60;

inline constexpr Field lease_seconds_field{
    .name = "lease_seconds",
    .type = Type::integer,
    .nullable = true,
    .min = 1,
    .max = lease_max_seconds,
    .description = "how long nobody else is given them; 60 when left out",
    .example = "60"};
inline constexpr std::array<Field, 3> lease_fields{
    Field{.name = "max",
          .type = Type::integer,
          .nullable = true,
          .min = 1,
          .max = leased_at_once_max,
          .description = "100 when left out",
          .example = "100"},
    Field{.name = "wait_seconds",
          .type = Type::integer,
          .nullable = true,
          .min = 0,
          .max = lease_wait_max_seconds,
          .description = "how long to wait for the first; not at all when left out",
          .example = "0"},
    lease_seconds_field};

inline constexpr Field leased_ids_field{
    .name = "deliveries",
    .need = Need::required,
    .many = Many::list,
    .min = 1,
    .max = 100,
    .items_max = leased_at_once_max,
    .description = "lease_ids, or ids of deliveries: whoever has them"};
inline constexpr std::array<Field, 1> ack_fields{leased_ids_field};
inline constexpr std::array<Field, 2> nack_fields{
    leased_ids_field,
    Field{.name = "delay_seconds",
          .type = Type::integer,
          .nullable = true,
          .min = 0,
          .max = lease_max_seconds,
          .description = "when they may be leased again; as the retry policy says when left out",
          .example = "5"}};
inline constexpr std::array<Field, 2> extend_fields{leased_ids_field, lease_seconds_field};

inline constexpr std::array<Field, 9> leased_delivery_fields{
    Field{.name = "id", .need = Need::required},
    Field{.name = "lease_id",
          .need = Need::required,
          .description = "the delivery and the attempt: acknowledged by it, only this lease is"},
    Field{.name = "event_id", .need = Need::required},
    Field{.name = "event_type", .need = Need::required},
    Field{.name = "product", .need = Need::required},
    Field{.name = "attempt", .type = Type::integer, .need = Need::required},
    Field{.name = "leased_until", .type = Type::time, .need = Need::required},
    Field{.name = "event",
          .type = Type::any,
          .need = Need::required,
          .nullable = true,
          .description = "as the endpoint's format says"},
    Field{.name = "error",
          .need = Need::required,
          .nullable = true,
          .description = "why there is no event"}};
inline constexpr std::array<Field, 1> leased_fields{Field{.name = "deliveries",
                                                          .type = Type::object,
                                                          .need = Need::required,
                                                          .many = Many::list,
                                                          .fields = leased_delivery_fields}};
inline constexpr Shape leased_shape{"Leased", leased_fields};
inline constexpr std::array<Field, 2> settled_fields{
    Field{.name = "deliveries",
          .need = Need::required,
          .many = Many::list,
          .description = "those to which it was done"},
    Field{.name = "not_leased",
          .need = Need::required,
          .many = Many::list,
          .description = "those of which no lease is known here: it ran out and somebody else has "
                         "it, or it is done with"}};
inline constexpr Shape settled_shape{"SettledLeases", settled_fields};

}  // namespace api::resources
