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

constexpr std::array reserved_kinds{"events", "dry-run", "versions"};
/// First words of built-in types: a declared type may not begin with them.
constexpr std::array built_in_words{
    "organization", "key",      "product",  "project", "environment",   "member",
    "settings",     "secret",   "resource", "quota",   "resource_kind", "endpoint",
    "delivery",     "pipeline", "replay",   "user",    "session"};

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

void refuse_unsupported(ObjectReader& reader, std::initializer_list<std::string_view> names) {
  for (auto name : names) {
    if (reader.optional_value(name)) reader.wrong(name, "is not supported yet");
  }
}

void read_event(ObjectReader& events, std::string_view type, Manifest::Kind& kind) {
  if (!is_type_name(type)) {
    events.wrong(type, "must be words of a-z, 0-9 and _ joined by points, such as file.added");
  }
  if (is_one_of(built_in_words, type.substr(0, type.find('.')))) {
    events.wrong(type, "begins with a word that built-in types use");
  }
  events.object(type, [&](ObjectReader& event) {
    auto fold = event.choice<Fold>(
        "fold", {{"replace", Fold::replace}, {"merge", Fold::merge}, {"delete", Fold::remove}});
    refuse_unsupported(event, {"schema"});
    kind.events.emplace(type, fold);
  });
}

void read_kind(ObjectReader& kinds, std::string_view name, Value value, Manifest::Kind& kind) {
  if (!is_kind_name(name)) kinds.wrong(name, "must match ^[a-z][a-z0-9_-]{0,47}$");
  if (is_one_of(reserved_kinds, name)) kinds.wrong(name, "is a reserved name");
  kinds.object(name, [&](ObjectReader& reader) {
    auto types = value.find("events");
    reader.object("events", [&](ObjectReader& events) {
      for (auto [type, body] : types->members()) read_event(events, type, kind);
    });
    if (types && types->is_object() && types->size() == 0) {
      reader.wrong("events", "must name at least one event type");
    }
    refuse_unsupported(reader, {"indexes", "unique", "sealed", "aliases"});
  });
}

}  // namespace

schemas::Result<Manifest> Manifest::parse(std::string_view json, std::uint32_t version) {
  auto document = schemas::json::parse(json);
  if (!document) return std::unexpected(std::move(document).error());
  Manifest manifest;
  manifest.version_ = version;
  ObjectReader reader(document->root());
  reader.optional_text("description", {.characters_min = 0, .characters_max = 1000});
  auto kinds = document->root().find("kinds");
  if (kinds && kinds->is_object()) {
    auto few = check_count(*kinds);
    if (!few) return std::unexpected(std::move(few).error());
  }
  reader.object("kinds", [&](ObjectReader& kind_reader) {
    for (auto [name, value] : kinds->members()) {
      read_kind(kind_reader, name, value, manifest.kinds_[std::string(name)]);
    }
  });
  if (kinds && kinds->is_object() && kinds->size() == 0) {
    reader.wrong("kinds", "must name at least one kind");
  }
  auto read = reader.finish();
  if (!read) return std::unexpected(std::move(read).error());
  return manifest;
}

std::optional<Fold> Manifest::fold_of(std::string_view kind, std::string_view type) const {
  auto found = kinds_.find(kind);
  if (found == kinds_.end()) return std::nullopt;
  auto event = found->second.events.find(type);
  return event == found->second.events.end() ? std::nullopt : std::optional(event->second);
}

}  // namespace manager
