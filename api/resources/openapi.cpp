#include "api/resources/openapi.h"

#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <set>

#include "api/http/problem.h"
#include "api/resources/ask.h"
#include "api/resources/keys.h"
#include "api/resources/routes.h"
#include "schemas/json_writer.h"

namespace api::resources {
namespace {

using schemas::json::Writer;

void write_object(Writer& writer, std::span<const Field> fields);

void write_type(Writer& writer, std::string_view type, bool nullable) {
  if (!nullable) {
    writer.member("type", type);
    return;
  }
  writer.name("type").begin_array().value(type).value("null").end_array();
}

void write_choices(Writer& writer, const Field& field, bool nullable) {
  if (field.choices.empty()) return;
  writer.name("enum").begin_array();
  for (auto choice : field.choices) writer.value(choice);
  if (nullable) writer.null();
  writer.end_array();
}

void write_limits(Writer& writer, const Field& field, std::string_view min, std::string_view max) {
  if (field.min != Field::no_limit) writer.member(min, field.min);
  if (field.max != Field::no_limit) writer.member(max, field.max);
}

void write_text(Writer& writer, const Field& field, bool nullable) {
  write_type(writer, "string", nullable);
  write_choices(writer, field, nullable);
  write_limits(writer, field, "minLength", "maxLength");
  if (!field.pattern.empty()) writer.member("pattern", field.pattern);
  if (field.id.empty()) return;
  writer.member("pattern", fmt::format("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", field.id));
}

/// A whole number from 1, or one of the words.
void write_version(Writer& writer, const Field& field) {
  writer.name("oneOf").begin_array().begin_object();
  write_type(writer, "string", false);
  write_choices(writer, field, false);
  writer.end_object().begin_object().member("type", "integer").member("minimum", 1).end_object();
  writer.end_array();
}

/// What one value is made of; inside the braces of its schema.
void write_value(Writer& writer, const Field& field, bool nullable) {
  switch (field.type) {
    case Type::text:
      return write_text(writer, field, nullable);
    case Type::integer:
      write_type(writer, "integer", nullable);
      return write_limits(writer, field, "minimum", "maximum");
    case Type::boolean:
      return write_type(writer, "boolean", nullable);
    case Type::time:
      write_type(writer, "string", nullable);
      writer.member("format", "date-time");
      return;
    case Type::object:
      write_type(writer, "object", nullable);
      return write_object(writer, field.fields);
    case Type::map:
      write_type(writer, "object", nullable);
      writer.name("additionalProperties").begin_object();
      writer.member("type", field.fields.empty() ? "string" : "object");
      if (!field.fields.empty()) write_object(writer, field.fields);
      writer.end_object();
      return;
    case Type::version:
      return write_version(writer, field);
    case Type::any:
      return;
  }
}

void write_schema(Writer& writer, const Field& field) {
  writer.begin_object();
  if (field.many == Many::list) {
    write_type(writer, "array", field.nullable);
    writer.name("items").begin_object();
    write_value(writer, field, false);
    writer.end_object();
    if (field.items_max != Field::no_limit) writer.member("maxItems", field.items_max);
  } else {
    write_value(writer, field, field.nullable);
  }
  if (!field.description.empty()) writer.member("description", field.description);
  if (!field.example.empty()) writer.name("example").raw(field.example);
  writer.end_object();
}

/// Members of an object; one without members may have any.
void write_object(Writer& writer, std::span<const Field> fields) {
  if (fields.empty()) return;
  writer.name("properties").begin_object();
  for (const auto& field : fields) {
    writer.name(field.name);
    write_schema(writer, field);
  }
  writer.end_object().name("required").begin_array();
  for (const auto& field : fields) {
    if (field.need == Need::required) writer.value(field.name);
  }
  writer.end_array();
}

void write_parameter(Writer& writer, std::string_view in, const Field& field) {
  writer.begin_object().member("name", field.name).member("in", in);
  if (in == "path" || field.need == Need::required) writer.member("required", true);
  writer.name("schema");
  write_schema(writer, field);
  writer.end_object();
}

constexpr Field header_fields_of_all[] = {
    {.name = "Tidemark-Organization",
     .description = "the organization that a platform key acts in"},
    {.name = "Tidemark-Space",
     .choices = space_choices,
     .description = "the space that a platform key acts in"}};
constexpr Field header_fields_of_reads[] = {
    {.name = "Tidemark",
     .pattern = R"(^tm1_[\w-]+( *, *tm1_[\w-]+)*$)",
     .description = "marks, comma-separated, that the answer reflects at least"},
    {.name = "Prefer", .description = "wait=<seconds>: how long to wait for that"}};
constexpr Field header_if_none_match = {.name = "If-None-Match",
                                        .description = "ETags that are known already"};
constexpr Field header_last_event_id = {
    .name = "Last-Event-ID",
    .pattern = R"(^tm1_[\w-]+$)",
    .description = "the mark behind which to go on; it beats ?after="};
constexpr Field header_fields_of_writes[] = {
    {.name = "Idempotency-Key",
     .min = 1,
     .max = 255,
     .pattern = "^[!-~]+$",
     .description = "the same key and request again give the first answer again"}};
constexpr Field header_if_match = {.name = "If-Match",
                                   .pattern = R"(^("\d+"|\*)$)",
                                   .description = "the version that the change is for, as ETag"};

bool holds(std::span<const Field> fields, auto member, auto value) {
  return std::ranges::find(fields, value, member) != fields.end();
}

/// Answers that are one entity have a version.
bool heeds_if_none_match(const Operation& operation) {
  const bool past = holds(operation.query, &Field::name, std::string_view("as_of"));
  return !is_write(operation) && past && !operation.page;
}

bool is_stream(const Operation& operation) {
  return operation.media == "text/event-stream";
}

void write_parameters(Writer& writer, const Operation& operation) {
  writer.name("parameters").begin_array();
  for (auto part : operation.pattern | std::views::split('/')) {
    const std::string_view segment(part.begin(), part.end());
    if (!segment.starts_with('{')) continue;
    write_parameter(writer, "path", {.name = segment.substr(1, segment.size() - 2)});
  }
  for (const auto& field : operation.query) write_parameter(writer, "query", field);
  if (operation.scope != Scope::open) {
    for (const auto& field : header_fields_of_all) write_parameter(writer, "header", field);
    const auto more = is_write(operation) ? std::span<const Field>(header_fields_of_writes)
                                          : std::span<const Field>(header_fields_of_reads);
    for (const auto& field : more) write_parameter(writer, "header", field);
    if (operation.conditional) write_parameter(writer, "header", header_if_match);
    if (heeds_if_none_match(operation)) write_parameter(writer, "header", header_if_none_match);
    if (is_stream(operation)) write_parameter(writer, "header", header_last_event_id);
  }
  writer.end_array();
}

void write_reference(Writer& writer, std::string_view shape) {
  writer.begin_object().member("$ref", "#/components/schemas/" + std::string(shape)).end_object();
}

/// Text of many lines: OpenAPI 3.1 has no word for what each of them is.
Writer& begin_lines(Writer& writer) {
  writer.name("application/x-ndjson").begin_object().name("schema").begin_object();
  writer.member("type", "string").member("description", "a JSON object a line: x-line");
  return writer.end_object().name("x-line").begin_object().member("type", "object");
}

void write_request_body(Writer& writer, const Operation& operation) {
  if (operation.body == Body::none) return;
  const bool needed = holds(operation.members, &Field::need, Need::required);
  writer.name("requestBody").begin_object().member("required", needed);
  writer.name("content").begin_object();
  auto write = [&](std::string_view type) {
    writer.name(type).begin_object().name("schema").begin_object().member("type", "object");
    write_object(writer, operation.members);
    if (!operation.members.empty()) writer.member("additionalProperties", false);
    writer.end_object().end_object();
  };
  write("application/json");
  if (operation.body == Body::merge_patch) write("application/merge-patch+json");
  if (operation.lines != nullptr) {
    write_object(begin_lines(writer), operation.lines->members);
    writer.member("additionalProperties", false).end_object().end_object();
  }
  writer.end_object().end_object();
}

/// What stands beside the bodies of answers. Only the first is always there.
constexpr Field answer_headers[] = {
    {.name = "X-Request-Id", .description = "names this request in logs and problems"},
    {.name = "Tidemark",
     .pattern = R"(^tm1_[\w-]+$)",
     .description = "the mark of what the answer reflects"},
    {.name = "ETag", .pattern = R"(^"\d+"$)", .description = "the version of what is answered"},
    {.name = "Location", .description = "where what was made is"},
    {.name = "Idempotent-Replayed",
     .description = "true: the first answer again, nothing was written"},
    {.name = "Retry-After", .pattern = R"(^\d+$)", .description = "seconds to wait"}};

void write_header_references(Writer& writer, std::initializer_list<std::string_view> names) {
  writer.name("headers").begin_object();
  for (auto name : names) {
    if (name.empty()) continue;
    writer.name(name).begin_object();
    writer.member("$ref", "#/components/headers/" + std::string(name)).end_object();
  }
  writer.end_object();
}

void write_headers_of(Writer& writer, const Operation& operation, unsigned status) {
  const bool of_entity = operation.answer != nullptr && !operation.page &&
                         operation.body != Body::events && status != 204;
  const bool has_version = of_entity && (is_write(operation) || heeds_if_none_match(operation));
  const bool has_mark = operation.scope != Scope::open && !is_stream(operation);
  write_header_references(writer,
                          {"X-Request-Id", has_mark ? "Tidemark" : "", has_version ? "ETag" : "",
                           of_entity && status == 201 ? "Location" : "",
                           is_write(operation) ? "Idempotent-Replayed" : ""});
}

void write_answer(Writer& writer, const Operation& operation, unsigned status) {
  writer.name(std::to_string(status)).begin_object();
  writer.member("description", status < 400 ? "success" : "not now");
  write_headers_of(writer, operation, status);
  const bool is_other = operation.other_answer != nullptr && status == operation.other_status;
  const auto* answer = is_other ? operation.other_answer : operation.answer;
  if (answer != nullptr && status != 204) {
    writer.name("content").begin_object().name("application/json").begin_object().name("schema");
    if (operation.page) {
      writer.begin_object().member("type", "object").name("properties").begin_object();
      writer.name("data").begin_object().member("type", "array").name("items");
      write_reference(writer, answer->name);
      writer.end_object().name("next_cursor").begin_object();
      write_type(writer, "string", true);
      writer.end_object().end_object().end_object();
    } else {
      write_reference(writer, answer->name);
    }
    writer.end_object().end_object();
  } else if (!operation.media.empty()) {
    writer.name("content").begin_object().name(operation.media).begin_object().end_object();
    writer.end_object();
  }
  writer.end_object();
}

void write_successes(Writer& writer, const Operation& operation) {
  write_answer(writer, operation, operation.status);
  if (operation.other_status != 0) write_answer(writer, operation, operation.other_status);
  if (operation.lines != nullptr) {
    writer.name("200").begin_object().member("description", "to lines: one as each is durable");
    writer.name("content").begin_object();
    write_object(begin_lines(writer), operation.lines->answer->fields);
    writer.end_object().end_object().end_object().end_object();
  }
  if (heeds_if_none_match(operation)) {
    writer.name("304").begin_object().member("description", "as If-None-Match knows it");
    write_header_references(writer, {"X-Request-Id", "Tidemark", "ETag"});
    writer.end_object();
  }
}

/// With which statuses an operation may refuse.
std::set<unsigned> refusals(const Operation& operation) {
  std::set<unsigned> statuses{400, 408, 413, 431, 500, 503};  // by which every request may end
  if (operation.pattern.contains('{')) statuses.insert(404);
  if (operation.scope == Scope::open) return statuses;
  statuses.insert({401, 403, 404});
  if (!is_write(operation)) statuses.insert(410);  // marks are of reads
  if (is_write(operation)) statuses.insert({409, 415, 422, 507});
  if (operation.conditional) statuses.insert(412);
  return statuses;
}

std::string refusal_name(unsigned status) {
  return "Problem" + std::to_string(status);
}

void write_refusals(Writer& writer, const Operation& operation) {
  for (auto status : refusals(operation)) {
    if (status == operation.other_status) continue;  // readyz says 503 with a body of its own
    writer.name(std::to_string(status)).begin_object();
    writer.member("$ref", "#/components/responses/" + refusal_name(status)).end_object();
  }
}

void write_operation(Writer& writer, const Operation& operation) {
  writer.begin_object().member("operationId", operation.name).member("summary", operation.summary);
  if (!operation.permission.empty()) writer.member("x-permission", operation.permission);
  if (operation.sensitivity == Sensitivity::sensitive) writer.member("x-sensitive", true);
  const bool of_platform =
      operation.scope == Scope::platform || operation.scope == Scope::platform_within;
  if (of_platform) writer.member("x-platform-key", true);
  if (operation.scope == Scope::open) writer.name("security").begin_array().end_array();
  write_parameters(writer, operation);
  write_request_body(writer, operation);
  writer.name("responses").begin_object();
  write_successes(writer, operation);
  write_refusals(writer, operation);
  writer.end_object().end_object();
}

std::string lower(std::string_view text) {
  std::string small(text);
  for (auto& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return small;
}

constexpr std::array<Field, 4> problem_error_fields{
    Field{.name = "pointer", .description = "of a member of the body"}, Field{.name = "parameter"},
    Field{.name = "header"}, Field{.name = "detail", .need = Need::required}};
constexpr std::array<Field, 6> problem_fields{
    Field{.name = "type", .need = Need::required},
    Field{.name = "title", .need = Need::required},
    Field{.name = "status", .type = Type::integer, .need = Need::required},
    Field{.name = "detail", .need = Need::required},
    Field{.name = "request_id", .need = Need::required},
    Field{.name = "errors",
          .type = Type::object,
          .many = Many::list,
          .fields = problem_error_fields}};

void write_shape(Writer& writer, const Shape& shape) {
  writer.name(shape.name).begin_object().member("type", "object");
  write_object(writer, shape.fields);
  writer.end_object();
}

/// The refusals of each status, and which types of problems they are.
void write_refusal_components(Writer& writer, std::span<const Operation> operations) {
  std::set<unsigned> statuses;
  for (const auto& operation : operations) statuses.merge(refusals(operation));
  writer.name("responses").begin_object();
  for (auto status : statuses) {
    std::string names;
    for (const auto& type : http::problem_types()) {
      if (http::status_of(type.code) != status) continue;
      names += (names.empty() ? "a problem: " : ", ") + std::string(type.name);
    }
    writer.name(refusal_name(status)).begin_object().member("description", names);
    write_header_references(writer, {"X-Request-Id", status == 503 ? "Retry-After" : ""});
    writer.name("content").begin_object().name("application/problem+json").begin_object();
    writer.name("schema");
    write_reference(writer, "Problem");
    writer.end_object().end_object().end_object();
  }
  writer.end_object();
}

void write_components(Writer& writer, std::span<const Operation> operations) {
  std::map<std::string_view, const Shape*> shapes;
  for (const auto& operation : operations) {
    for (const auto* answer : {operation.answer, operation.other_answer}) {
      if (answer != nullptr) shapes.emplace(answer->name, answer);
    }
  }
  writer.name("components").begin_object().name("schemas").begin_object();
  for (const auto& [name, shape] : shapes) write_shape(writer, *shape);
  write_shape(writer, {"Problem", problem_fields});
  writer.end_object();
  writer.name("headers").begin_object();
  for (const auto& header : answer_headers) {
    writer.name(header.name).begin_object();
    if (header.name == "X-Request-Id") writer.member("required", true);
    writer.name("schema");
    write_schema(writer, header);
    writer.end_object();
  }
  writer.end_object();
  write_refusal_components(writer, operations);
  writer.name("securitySchemes").begin_object().name("key").begin_object();
  writer.member("type", "http").member("scheme", "bearer").end_object().end_object().end_object();
}

// The page asks for the description and writes it out, nothing more.
constexpr std::string_view docs_page = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tidemark API</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>
body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
details{border:1px solid #ccc;border-radius:4px;margin:.4em 0;padding:.4em .8em}
summary{cursor:pointer}code,pre{font-family:ui-monospace,monospace}
pre{background:#f6f6f6;padding:.8em;overflow:auto}.method{display:inline-block;width:4.5em;font-weight:bold}
table{border-collapse:collapse}td,th{text-align:left;padding:.1em .8em .1em 0;vertical-align:top}
</style></head><body><h1>Tidemark API</h1>
<p>Made from <a href="/openapi.json">/openapi.json</a>. Examples start at <code>/v2/projects</code>.</p>
<div id="operations">Loading…</div>
<script>
const make = (name, text) => { const e = document.createElement(name); if (text) e.textContent = text; return e; };
const show = (where, title, value) => {
  where.append(make('h4', title)); where.append(make('pre', JSON.stringify(value, null, 2))); };
fetch('/openapi.json').then(answer => answer.json()).then(api => {
  const list = document.getElementById('operations'); list.textContent = '';
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const entry = make('details'), head = make('summary');
      const word = make('span', method.toUpperCase()); word.className = 'method';
      head.append(word, make('code', path), ' ' + operation.summary); entry.append(head);
      if (operation['x-permission']) entry.append(make('p', 'Permission: ' + operation['x-permission']));
      if (operation.parameters.length) {
        const table = make('table');
        for (const p of operation.parameters) {
          const row = make('tr'); row.append(make('td', p.in), make('td', p.name), make('td', p.schema.description || ''));
          table.append(row); }
        entry.append(table); }
      if (operation.requestBody) show(entry, 'Body', operation.requestBody.content);
      show(entry, 'Answers', operation.responses); list.append(entry); }
  show(list, 'Schemas', api.components.schemas); });
</script></body></html>
)html";

}  // namespace

std::string openapi_document(std::span<const Operation> operations, std::string_view version) {
  // By path, in the table's order of first appearance.
  std::vector<std::string_view> paths;
  for (const auto& operation : operations) {
    if (std::ranges::find(paths, operation.pattern) == paths.end()) {
      paths.push_back(operation.pattern);
    }
  }
  std::string document;
  Writer writer(document);
  writer.begin_object().member("openapi", "3.1.0").name("info").begin_object();
  writer.member("title", "Tidemark").member("version", version);
  writer.name("license").begin_object().member("name", "Apache-2.0");
  writer.member("identifier", "Apache-2.0").end_object().end_object();
  writer.name("servers").begin_array().begin_object().member("url", "/").end_object().end_array();
  writer.name("security").begin_array().begin_object();
  writer.name("key").begin_array().end_array().end_object().end_array();
  writer.name("paths").begin_object();
  for (auto path : paths) {
    writer.name(path).begin_object();
    for (const auto& operation : operations) {
      if (operation.pattern != path) continue;
      writer.name(lower(to_text(operation.method)));
      write_operation(writer, operation);
    }
    writer.end_object();
  }
  writer.end_object();
  write_components(writer, operations);
  writer.end_object();
  return document;
}

// GET /openapi.json
Answer openapi(Ask& ask) {
  static const std::string document = openapi_document(operations(), ask.services.version);
  co_return http::json_response(200, document);
}

// GET /docs
Answer docs(Ask&) {
  co_return http::text_response(200, "text/html; charset=utf-8", std::string(docs_page));
}

}  // namespace api::resources
