#include "manager/manifest.h"

#include <algorithm>
#include <array>

#include "schemas/json_reader.h"

namespace manager {
namespace {

using schemas::Fold;
using schemas::json::ObjectReader;
using schemas::json::Value;

constexpr std::size_t name_max = 48;
constexpr std::size_t type_max = 100;
/// Kinds and types together. Reading a member costs a look at those beside it.
constexpr std::size_t names_max = 1'000;
/// Regular expressions in all schemas together: each holds memory for as long as the product is
/// used.
constexpr std::size_t patterns_max = 500;
/// Indexes of a kind, and unique rules of a kind; pointers of one rule; bytes of a pointer.
constexpr std::size_t indexes_max = 16;
constexpr std::size_t parts_max = 4;
constexpr std::size_t pointer_max = 250;

constexpr std::array reserved_kinds{"events", "dry-run", "versions"};
/// First words of built-in types: a declared type may not begin with them.
constexpr std::array built_in_words{"organization", "key",          "product",        "project",
                                    "environment",  "member",       "settings",       "secret",
                                    "resource",     "quota",        "resource_kind",  "endpoint",
                                    "delivery",     "pipeline",     "replay",         "user",
                                    "session",      "retry_policy", "delivery_cursor"};

bool is_one_of(const auto& names, std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// ^[a-z][a-z0-9_-]{0,47}$
bool is_kind_name(std::string_view name) {
  return !name.empty() && name.size() <= name_max && is_lower(name.front()) &&
         std::ranges::all_of(
             name, [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_'; });
}

/// Words of a-z, 0-9 and _ with points between them, at least two.
bool is_type_name(std::string_view type) {
  if (type.empty() || type.size() > type_max || !is_lower(type.front())) return false;
  bool word_begins = false;
  std::size_t words = 1;
  for (char c : type) {
    if (c == '.' && word_begins) return false;
    word_begins = c == '.';
    if (word_begins) ++words;
    if (!word_begins && !is_lower(c) && !is_digit(c) && c != '_') return false;
  }
  return words >= 2 && !word_begins;
}

/// A pointer that points into a state: not at the whole of it.
bool is_pointer(std::string_view text) {
  if (text.size() < 2 || text.size() > pointer_max || text.front() != '/') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) < 0x20) return false;
    const bool escaped = i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1');
    if (text[i] == '~' && !escaped) return false;
  }
  return true;
}

/// What cannot be noted by a reader, since it stands deeper than what that reads.
struct Faults {
  std::vector<schemas::FieldError> schemas;
  std::size_t patterns = 0;
};

/// Before anything else is read.
schemas::Result<void> check_count(Value kinds) {
  auto over = [](std::string pointer) {
    return schemas::invalid_field(
        std::move(pointer),
        "a product has at most " + std::to_string(names_max) + " kinds and event types in all");
  };
  auto count = kinds.size();
  if (count > names_max) return over("/kinds");
  for (auto [name, kind] : kinds.members()) {
    if (!kind.is_object()) continue;
    auto events = kind.find("events");
    if (events && events->is_object()) count += events->size();
    if (count > names_max) return over("/kinds/" + schemas::json::pointer_escape(name) + "/events");
  }
  return {};
}

void check_type_name(ObjectReader& reader, std::string_view type) {
  if (!is_type_name(type)) {
    reader.wrong(type, "must be words of a-z, 0-9 and _ joined by points, such as file.added");
  }
  if (is_one_of(built_in_words, type.substr(0, type.find('.')))) {
    reader.wrong(type, "begins with a word that built-in types use");
  }
}

std::optional<schemas::json_schema::Schema> read_schema(ObjectReader& event, Value value,
                                                        Faults& faults) {
  const auto pointer = event.pointer() + "/schema";
  auto schema = schemas::json_schema::Schema::compile(value, pointer);
  if (!schema) {
    std::ranges::move(schema.error().fields, std::back_inserter(faults.schemas));
    return std::nullopt;
  }
  faults.patterns += schema->pattern_count();
  if (faults.patterns > patterns_max) {
    faults.schemas.push_back({schemas::FieldError::In::body, pointer,
                              "has one regular expression too many; the schemas of a product have "
                              "at most " +
                                  std::to_string(patterns_max)});
  }
  return std::move(*schema);
}

void read_event(ObjectReader& events, std::string_view type, Manifest::Kind& kind, Faults& faults) {
  check_type_name(events, type);
  events.object(type, [&](ObjectReader& event) {
    Manifest::Type read{
        .fold = event.choice<Fold>(
            "fold", {{"replace", Fold::replace}, {"merge", Fold::merge}, {"delete", Fold::remove}}),
        .schema = {}};
    if (auto schema = event.optional_value("schema")) {
      read.schema = read_schema(event, *schema, faults);
    }
    kind.events.emplace(type, std::move(read));
  });
}

void read_aliases(ObjectReader& aliases, Value value, Manifest::Kind& kind) {
  for (auto [name, target] : value.members()) {
    check_type_name(aliases, name);
    auto type = aliases.text(name);
    if (!type.empty() && !kind.events.contains(type)) {
      aliases.wrong(name, "must be a type that this kind declares");
    }
    kind.aliases.emplace(name, std::move(type));
  }
  for (const auto& [name, type] : kind.aliases) {
    if (kind.aliases.contains(type)) aliases.wrong(name, "must not be an alias itself");
  }
}

std::optional<projections::Index> read_index(Value value) {
  projections::Index index;
  if (auto one = value.as_string()) index.pointers.emplace_back(*one);
  for (auto one : value.elements()) index.pointers.emplace_back(one.as_string().value_or(""));
  const bool right = !index.pointers.empty() && index.pointers.size() <= parts_max &&
                     std::ranges::all_of(index.pointers, is_pointer);
  return right ? std::optional(std::move(index)) : std::nullopt;
}

enum class Parts : std::uint8_t { one, some };

void read_indexes(ObjectReader& kind, std::string_view name, Parts parts,
                  std::vector<projections::Index>& into) {
  auto list = kind.optional_value(name);
  if (!list) return;
  bool right = list->is_array() && list->size() <= indexes_max;
  for (auto value : list->elements()) {
    auto index = parts == Parts::one && !value.is_string() ? std::nullopt : read_index(value);
    right = right && index && std::ranges::find(into, *index) == into.end();
    if (index) into.push_back(std::move(*index));
  }
  if (right) return;
  kind.wrong(name, "must be an array of at most " + std::to_string(indexes_max) +
                       " different JSON pointers such as /commit" +
                       (parts == Parts::one ? "" : ", or arrays of them"));
}

void read_project(ObjectReader& reader, Manifest::Kind& kind) {
  auto pointer = reader.optional_text("project");
  if (!pointer) return;
  if (!is_pointer(*pointer)) reader.wrong("project", "must be a JSON pointer such as /project_id");
  kind.project = std::move(*pointer);
}

/// The same place, or one in the other.
bool overlap(std::string_view one, std::string_view other) {
  if (one.size() > other.size()) std::swap(one, other);
  return other.starts_with(one) && (other.size() == one.size() || other[one.size()] == '/');
}

void read_sealed(ObjectReader& reader, Manifest::Kind& kind) {
  const auto list = reader.optional_value("sealed");
  if (!list) return;
  bool right = list->is_array() && list->size() <= indexes_max;
  for (auto value : list->elements()) {
    const auto pointer = value.as_string().value_or("");
    right = right && is_pointer(pointer) &&
            std::ranges::none_of(kind.sealed,
                                 [&](const auto& other) { return overlap(pointer, other); });
    kind.sealed.emplace_back(pointer);
  }
  if (!right) {
    return reader.wrong("sealed", "must be an array of at most " + std::to_string(indexes_max) +
                                      " JSON pointers such as /email, none of them in another");
  }
  const auto seals = [&](const auto& pointer) { return overlap(kind.project, pointer); };
  if (!kind.project.empty() && std::ranges::any_of(kind.sealed, seals)) {
    reader.wrong("project", "cannot be sealed: rows are shown by their project");
  }
}

/// An index may name a sealed field, and nothing that stands in one.
void mark_sealed(ObjectReader& reader, std::string_view name, const Manifest::Kind& kind,
                 std::vector<projections::Index>& indexes) {
  for (auto& index : indexes) {
    for (const auto& pointer : index.pointers) {
      for (const auto& sealed : kind.sealed) {
        if (pointer == sealed) {
          index.sealed.push_back(sealed);
        } else if (pointer.size() > sealed.size() && overlap(pointer, sealed)) {
          reader.wrong(name, "names " + pointer + ", which stands in the sealed field " + sealed);
        }
      }
    }
  }
}

void read_bounds(ObjectReader& reader, schemas::Bounds& keep) {
  const auto versions = reader.optional_integer("keep_versions", {.min = 1, .max = 1'000'000});
  keep.versions = static_cast<std::uint32_t>(versions.value_or(0));
  const auto text = reader.optional_text("keep_age");
  if (!text) return;
  const auto age = parse_age(*text);
  if (!age && !text->empty())
    reader.wrong("keep_age", "must be a number from 1 to 9999 and s, m, h or d, such as 90d");
  keep.seconds = age.value_or(0);
}

void read_kind(ObjectReader& kinds, std::string_view name, Value value, Manifest::Kind& kind,
               Faults& faults) {
  if (!is_kind_name(name)) kinds.wrong(name, "must match ^[a-z][a-z0-9_-]{0,47}$");
  if (is_one_of(reserved_kinds, name)) kinds.wrong(name, "is a reserved name");
  kinds.object(name, [&](ObjectReader& reader) {
    auto types = value.find("events");
    reader.object("events", [&](ObjectReader& events) {
      for (auto [type, body] : types->members()) read_event(events, type, kind, faults);
    });
    if (types && types->is_object() && types->size() == 0) {
      reader.wrong("events", "must name at least one event type");
    }
    reader.optional_object("aliases", [&](ObjectReader& aliases) {
      read_aliases(aliases, *value.find("aliases"), kind);
    });
    read_indexes(reader, "indexes", Parts::one, kind.indexes);
    read_indexes(reader, "unique", Parts::some, kind.unique);
    read_project(reader, kind);
    read_bounds(reader, kind.keep);
    read_sealed(reader, kind);
    mark_sealed(reader, "indexes", kind, kind.indexes);
    mark_sealed(reader, "unique", kind, kind.unique);
  });
}

/// What the reader noted, and what stands deeper.
schemas::Result<void> finish(ObjectReader& reader, Faults& faults) {
  constexpr std::size_t faults_max = 100;
  auto read = reader.finish();
  if (faults.schemas.empty()) return read;
  std::vector<schemas::FieldError> all;
  if (!read) all = std::move(read.error().fields);
  std::ranges::move(faults.schemas, std::back_inserter(all));
  const auto count = all.size();
  if (count > faults_max) all.resize(faults_max);
  return schemas::fail(
      schemas::Error{schemas::ErrorCode::invalid_request,
                     count == 1 ? "1 field is wrong" : std::to_string(count) + " fields are wrong",
                     std::move(all),
                     {}});
}

}  // namespace

std::optional<std::uint32_t> parse_age(std::string_view text) {
  constexpr std::string_view units = "smhd";
  constexpr std::array seconds{1u, 60u, 3'600u, 86'400u};
  constexpr std::size_t digits_max = 4;
  const auto unit = text.empty() ? std::string_view::npos : units.find(text.back());
  if (unit == std::string_view::npos) return std::nullopt;
  text.remove_suffix(1);
  if (text.empty() || text.size() > digits_max || text.front() == '0') return std::nullopt;
  std::uint32_t number = 0;
  for (char c : text) {
    if (!is_digit(c)) return std::nullopt;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return number * seconds[unit];
}

schemas::Result<Manifest> Manifest::parse(std::string_view json, std::uint32_t version) {
  auto document = schemas::json::parse(json);
  if (!document) return std::unexpected(std::move(document).error());
  Manifest manifest;
  manifest.version_ = version;
  Faults faults;
  ObjectReader reader(document->root());
  reader.optional_text("description", {.characters_min = 0, .characters_max = 1000});
  auto kinds = document->root().find("kinds");
  if (kinds && kinds->is_object()) {
    auto few = check_count(*kinds);
    if (!few) return std::unexpected(std::move(few).error());
  }
  reader.object("kinds", [&](ObjectReader& kind_reader) {
    for (auto [name, value] : kinds->members()) {
      read_kind(kind_reader, name, value, manifest.kinds_[std::string(name)], faults);
    }
  });
  if (kinds && kinds->is_object() && kinds->size() == 0) {
    reader.wrong("kinds", "must name at least one kind");
  }
  auto read = finish(reader, faults);
  if (!read) return std::unexpected(std::move(read).error());
  return manifest;
}

std::optional<Fold> Manifest::fold_of(std::string_view kind, std::string_view type) const {
  auto found = kinds_.find(kind);
  if (found == kinds_.end()) return std::nullopt;
  auto event = found->second.events.find(type);
  return event == found->second.events.end() ? std::nullopt : std::optional(event->second.fold);
}

bool Manifest::Kind::finds_by(std::string_view pointer) const {
  const auto names = [&](const auto& index) { return index.is_sealed(pointer); };
  return std::ranges::any_of(indexes, names) || std::ranges::any_of(unique, names);
}

const std::pair<const std::string, Manifest::Type>* Manifest::Kind::written_as(
    std::string_view name) const {
  auto alias = aliases.find(name);
  auto found = events.find(alias == aliases.end() ? name : alias->second);
  return found == events.end() ? nullptr : &*found;
}

}  // namespace manager
