#include "manager/decide.h"

#include "schemas/json_writer.h"

namespace manager {

Result<void> check_if_match(const Context& context, Version current) {
  if (!context.if_match || *context.if_match == current) return {};
  auto number = std::to_string(to_number(current));
  return fail(schemas::Error{ErrorCode::precondition_failed,
                             "If-Match names version " +
                                 std::to_string(to_number(*context.if_match)) +
                                 ", the current version is " + number,
                             {},
                             {{"current_version", number}}});
}

Decision one_event(const Context& context, Entity subject, Version current,
                   schemas::EventData data) {
  Decision decision;
  decision.kind = schemas::kind_of(data);
  decision.subject = subject;
  decision.events.push_back({.id = schemas::EventId(context.new_id()),
                             .type = schemas::type_of(data),
                             .kind = schemas::kind_of(data),
                             .entity = std::move(subject),
                             .version = next(current),
                             .occurred = context.now,
                             .data = std::move(data)});
  return decision;
}

Decision nothing(std::string_view kind, Entity subject) {
  Decision decision;
  decision.kind = kind;
  decision.subject = std::move(subject);
  return decision;
}

std::string slug_of(std::string_view name) {
  constexpr std::size_t slug_max = 56;  // leaves room for a suffix within 63
  std::string slug;
  for (char c : name) {
    bool upper = c >= 'A' && c <= 'Z';
    bool keep = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (keep) {
      slug.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
    } else if (!slug.empty() && slug.back() != '-') {
      slug.push_back('-');
    }
    if (slug.size() == slug_max) break;
  }
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug.empty() ? "project" : slug;
}

std::unexpected<schemas::Error> slug_taken(std::string_view slug) {
  return fail(schemas::Error{ErrorCode::slug_taken,
                             "the slug '" + std::string(slug) + "' is taken; choose another",
                             {{schemas::FieldError::In::body, "/slug", "is taken"}},
                             {}});
}

}  // namespace manager
