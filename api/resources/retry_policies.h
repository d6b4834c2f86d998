#pragma once

#include <array>

#include "api/resources/operation.h"
#include "api/resources/parse.h"

/// Retry policies: when deliveries are tried again.
namespace api::resources {

Answer create_retry_policy(Ask& ask);
Answer list_retry_policies(Ask& ask);
Answer get_retry_policy(Ask& ask);
Answer change_retry_policy(Ask& ask);
Answer delete_retry_policy(Ask& ask);

inline constexpr std::array<Field, 9> retry_rules_fields{
    Field{.name = "delays_seconds",
          .type = Type::any,
          .nullable = true,
          .description = "a delay for each retry; or the next four",
          .example = "[5,300,1800]"},
    Field{.name = "base_seconds", .type = Type::any, .nullable = true},
    Field{.name = "factor", .type = Type::any, .nullable = true},
    Field{.name = "max_delay_seconds", .type = Type::any, .nullable = true},
    Field{.name = "max_attempts", .type = Type::integer, .nullable = true, .min = 1, .max = 50},
    Field{.name = "jitter",
          .type = Type::any,
          .nullable = true,
          .description = "0 to 1: each delay is spread by that share of it"},
    Field{.name = "timeout_seconds", .type = Type::any, .nullable = true},
    Field{.name = "max_age_seconds", .type = Type::any, .nullable = true},
    Field{.name = "final_statuses",
          .type = Type::any,
          .nullable = true,
          .description = "statuses with which a delivery ends at once",
          .example = "[400]"}};
inline constexpr Field by_type_field{.name = "by_type",
                                     .type = Type::any,
                                     .nullable = true,
                                     .description =
                                         "by a pattern of event types: what holds "
                                         "for those instead",
                                     .example = "{}"};
inline constexpr auto create_retry_policy_fields = joined(
    std::array{Field{
        .name = "name", .need = Need::required, .min = 1, .max = 200, .example = R"("patient")"}},
    joined(retry_rules_fields, std::array{by_type_field}));
inline constexpr auto change_retry_policy_fields =
    joined(std::array{Field{.name = "name", .min = 1, .max = 200}},
           joined(retry_rules_fields, std::array{by_type_field}));
inline constexpr auto retry_policy_fields = joined(
    std::array{Field{.name = "id", .need = Need::required},
               Field{.name = "name", .need = Need::required}},
    joined(joined(retry_rules_fields, std::array{by_type_field}),
           std::array{Field{.name = "created_at", .type = Type::time, .need = Need::required},
                      Field{.name = "updated_at", .type = Type::time, .need = Need::required},
                      Field{.name = "version", .type = Type::integer, .need = Need::required}}));
inline constexpr Shape retry_policy_shape{"RetryPolicy", retry_policy_fields};

}  // namespace api::resources
