#include "api/cli/mapping.h"

#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "schemas/json.h"
#include "schemas/json_reader.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::cli {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
namespace json = schemas::json;
using json::ObjectReader;
using json::Value;

enum class Unit : std::uint8_t { none, seconds, milliseconds };
enum class Must : std::uint8_t { be_anything, be_text };

/// Where a value comes from and what is done to it.
struct Expression {
  enum class Source : std::uint8_t { constant, line, item };
  Source source = Source::constant;
  std::string constant;  // JSON
  std::string pointer;
  std::optional<std::map<std::string, std::string, std::less<>>> map;  // to JSON
  Unit unit = Unit::none;
  Must must = Must::be_anything;
};

/// A line under way: the values that its items share are rendered once.
struct Line {
  Value root;
  std::vector<std::string> shared;
};

}  // namespace

struct Mapping::Impl {
  struct Field {
    std::string name;
    Expression expression;
    std::size_t shared = 0;  // its place in Line::shared
  };

  std::string product;
  std::string kind;
  std::optional<std::string> each;
  std::optional<Field> idempotency_key;
  std::vector<Field> event;                // entity, type, time
  std::optional<std::vector<Field>> data;  // absent: the item itself
  std::size_t shared_count = 0;

  void add_event(std::string_view name, ObjectReader& reader, Must must);
  Result<void> share(const std::vector<Field>& fields, Line& line) const;
  Result<void> append_event(const Line& line, Value item, std::string& out) const;
};

namespace {

Expression read_expression(ObjectReader& outer, std::string_view name, Value value, Must must) {
  Expression expression{.must = must};
  const auto line = value.find("line");
  const auto item = value.find("item");
  if (!line && !item) {
    if (must == Must::be_text && !value.is_string()) outer.wrong(name, "must give a text");
    expression.constant = json::minify(value);
    return expression;
  }
  if (line && item) outer.wrong(name, "must have one of `line` and `item`, not both");
  outer.object(name, [&](ObjectReader& reader) {
    expression.source = line ? Expression::Source::line : Expression::Source::item;
    const std::string_view from = line ? "line" : "item";
    expression.pointer = reader.text(from, {.characters_min = 0, .characters_max = 4096});
    if (!expression.pointer.empty() && !expression.pointer.starts_with('/')) {
      reader.wrong(from, "must be a JSON pointer, such as /changes/0");
    }
    if (name == "time") {
      const auto unit = reader.optional_choice<Unit>(
          "unit", {{"seconds", Unit::seconds}, {"milliseconds", Unit::milliseconds}});
      expression.unit = unit.value_or(Unit::none);
    }
    if (const auto map = reader.optional_value("map"); map && map->is_object()) {
      expression.map.emplace();
      for (const auto [from_text, to] : map->members()) {
        if (must == Must::be_text && !to.is_string()) reader.wrong("map", "must give texts");
        expression.map->emplace(from_text, json::minify(to));
      }
    } else if (map && !map->is_null()) {
      reader.wrong("map", "must be an object");
    }
  });
  return expression;
}

std::string cut(std::string text) {
  constexpr std::size_t shown_max = 60;
  return text.size() <= shown_max ? text : text.substr(0, shown_max) + "…";
}

Result<std::string> render_time(Value value, Unit unit, std::string_view name) {
  const auto number = value.as_int64();
  const auto scale = unit == Unit::seconds ? 1000 : 1;
  constexpr std::int64_t number_max = std::int64_t{1} << 50;
  if (!number || *number > number_max || *number < -number_max) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} must be a whole number, not {}", name, cut(json::minify(value))));
  }
  const schemas::Time time{std::chrono::milliseconds(*number * scale)};
  if (!schemas::representable(time)) {
    return fail(ErrorCode::invalid_request, fmt::format("{} is out of range: {}", name, *number));
  }
  return json::quote(schemas::to_text(time));
}

Result<std::string> render(const Expression& expression, Value source, std::string_view name) {
  if (expression.source == Expression::Source::constant) return expression.constant;
  const auto found = json::resolve(source, expression.pointer);
  if (!found) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{}: there is no {}", name, expression.pointer));
  }
  if (expression.map) {
    const auto text = found->as_string();
    const auto to = text ? expression.map->find(*text) : expression.map->end();
    if (to != expression.map->end()) return to->second;
    return fail(ErrorCode::invalid_request,
                fmt::format("{}: {} is not in the mapping's map", name, cut(json::minify(*found))));
  }
  if (expression.unit != Unit::none) return render_time(*found, expression.unit, name);
  if (expression.must == Must::be_text && !found->is_string()) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} must be a text, not {}", name, cut(json::minify(*found))));
  }
  return json::minify(*found);
}

}  // namespace

void Mapping::Impl::add_event(std::string_view name, ObjectReader& reader, Must must) {
  const auto value = name == "time" ? reader.optional_value(name) : reader.value(name);
  if (!value) return;
  event.push_back({std::string(name), read_expression(reader, name, *value, must), shared_count++});
}

Mapping::Mapping(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mapping::~Mapping() = default;
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;

const std::string& Mapping::product() const {
  return impl_->product;
}

Result<Mapping> Mapping::parse(std::string_view text) {
  const auto document = json::parse(text);
  if (!document) return fail(document.error());
  auto impl = std::make_unique<Impl>();
  ObjectReader reader(document->root());
  impl->product = reader.text("product");
  impl->kind = json::quote(reader.text("kind"));
  impl->each = reader.optional_text("each", {.characters_max = 4096});
  impl->add_event("entity", reader, Must::be_text);
  impl->add_event("type", reader, Must::be_text);
  impl->add_event("time", reader, Must::be_anything);
  if (const auto key = reader.optional_value("idempotency_key"); key && !key->is_null()) {
    impl->idempotency_key = {"idempotency_key",
                             read_expression(reader, "idempotency_key", *key, Must::be_text), 0};
    if (impl->idempotency_key->expression.source == Expression::Source::item) {
      reader.wrong("idempotency_key", "is of the whole line: it cannot come from an item");
    }
  }
  reader.optional_object("data", [&](ObjectReader& inner) {
    impl->data.emplace();
    const auto data = document->root().find("data");
    for (const auto [name, value] : data->members()) {
      (void)inner.optional_value(name);
      impl->data->push_back({std::string(name),
                             read_expression(inner, name, value, Must::be_anything),
                             impl->shared_count++});
    }
  });
  if (auto read = reader.finish(); !read) return fail(std::move(read).error());
  return Mapping(std::move(impl));
}

/// Renders what does not depend on the item.
Result<void> Mapping::Impl::share(const std::vector<Field>& fields, Line& line) const {
  for (const auto& field : fields) {
    if (field.expression.source == Expression::Source::item) continue;
    auto text = render(field.expression, line.root, field.name);
    if (!text) return fail(std::move(text).error());
    line.shared[field.shared] = std::move(*text);
  }
  return {};
}

Result<void> Mapping::Impl::append_event(const Line& line, Value item, std::string& out) const {
  auto append = [&](const Field& field) -> Result<void> {
    json::append_string(out, field.name);
    out.push_back(':');
    if (field.expression.source != Expression::Source::item) {
      out.append(line.shared[field.shared]);
      return {};
    }
    auto text = render(field.expression, item, field.name);
    if (!text) return fail(std::move(text).error());
    out.append(*text);
    return {};
  };
  out.append(R"({"kind":)").append(kind);
  for (const auto& field : event) {
    out.push_back(',');
    if (auto done = append(field); !done) return done;
  }
  out.append(R"(,"data":)");
  if (!data) {
    out.append(json::minify(item)).push_back('}');
    return {};
  }
  out.push_back('{');
  for (const auto& field : *data) {
    if (&field != data->data()) out.push_back(',');
    if (auto done = append(field); !done) return done;
  }
  out.append("}}");
  return {};
}

Result<std::uint32_t> Mapping::append_batch(std::string_view text, std::string_view default_key,
                                            std::string& out) const {
  const auto document = json::parse(text);
  if (!document) return fail(document.error());
  Line line{document->root(), std::vector<std::string>(impl_->shared_count)};
  auto items = impl_->each ? json::resolve(line.root, *impl_->each) : std::optional(line.root);
  if (impl_->each && (!items || !items->is_array())) {
    return fail(ErrorCode::invalid_request,
                fmt::format("each: there is no array {}", *impl_->each));
  }
  if (impl_->each && items->size() == 0) return 0;
  if (auto shared = impl_->share(impl_->event, line); !shared)
    return fail(std::move(shared).error());
  if (impl_->data) {
    if (auto shared = impl_->share(*impl_->data, line); !shared)
      return fail(std::move(shared).error());
  }
  auto key = Result<std::string>(json::quote(default_key));
  if (impl_->idempotency_key) {
    key = render(impl_->idempotency_key->expression, line.root, "idempotency_key");
  }
  if (!key) return fail(std::move(key).error());
  out.append(R"({"idempotency_key":)").append(*key).append(R"(,"events":[)");
  std::uint32_t events = 0;
  auto append = [&](Value item) {
    if (events++ > 0) out.push_back(',');
    return impl_->append_event(line, item, out);
  };
  if (!impl_->each) {
    if (auto done = append(line.root); !done) return fail(std::move(done).error());
  }
  for (const auto item : items->elements()) {
    if (!impl_->each) break;
    if (auto done = append(item); !done) return fail(std::move(done).error());
  }
  out.append("]}\n");
  return events;
}

}  // namespace api::cli
