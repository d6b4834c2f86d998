#include "schemas/json.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

#include "schemas/json_fault.h"

namespace schemas::json {

namespace {

namespace dom = simdjson::dom;

/// Up to this size of text, parser and input buffer are kept for the thread's next text: the
/// largest body that a handler sees. They take about 14 times the largest text so far, touched as
/// far as used.
constexpr std::size_t kept_text_max = 4 << 20;

struct Parser {
  dom::parser simd;
  std::vector<char> padded;  // simdjson reads up to 64 bytes past the end

  simdjson::simdjson_result<dom::element> parse(std::string_view text) {
    const std::size_t size = text.size() + simdjson::SIMDJSON_PADDING;
    if (padded.size() < size) padded.resize(size);
    std::ranges::copy(text, padded.begin());
    return simd.parse(padded.data(), text.size(), false);
  }
};

/// Copies simdjson's tape into nodes of our own, which are smaller and need no parser to live.
class Builder {
 public:
  explicit Builder(std::size_t text_size)
      : texts_(std::make_unique_for_overwrite<char[]>(text_size)), texts_end_(texts_.get()) {
    nodes_.reserve(text_size / 16 + 8);
  }

  /// False when arrays and objects stand too deep, or an object has a member twice.
  bool add(dom::element element, std::size_t depth) {
    switch (element.type()) {
      case dom::element_type::ARRAY:
        return add_array(dom::array(element), depth + 1);
      case dom::element_type::OBJECT:
        return add_object(dom::object(element), depth + 1);
      case dom::element_type::STRING:
        add_string(std::string_view(element));
        return true;
      case dom::element_type::INT64:
        nodes_.push_back({.integer = std::int64_t(element), .size = 0, .kind = Kind::integer});
        return true;
      case dom::element_type::UINT64:
        nodes_.push_back({.unsigned_integer = std::uint64_t(element),
                          .size = 0,
                          .kind = Kind::unsigned_integer});
        return true;
      case dom::element_type::DOUBLE:
        nodes_.push_back({.real = double(element), .size = 0, .kind = Kind::real});
        return true;
      case dom::element_type::BOOL:
        nodes_.push_back({.boolean = bool(element), .size = 0, .kind = Kind::boolean});
        return true;
      case dom::element_type::NULL_VALUE:
        nodes_.push_back({.nodes = 1, .size = 0, .kind = Kind::null});
        return true;
    }
    return false;
  }

  Document finish() && { return Document(std::move(nodes_), std::move(texts_)); }

 private:
  bool add_array(dom::array array, std::size_t depth) {
    if (depth > depth_max) return false;
    const std::size_t index = nodes_.size();
    nodes_.push_back({.nodes = 0, .size = 0, .kind = Kind::array});
    std::uint32_t size = 0;
    for (const dom::element element : array) {
      if (!add(element, depth)) return false;
      ++size;
    }
    close(index, size);
    return true;
  }

  bool add_object(dom::object object, std::size_t depth) {
    if (depth > depth_max) return false;
    const std::size_t index = nodes_.size();
    nodes_.push_back({.nodes = 0, .size = 0, .kind = Kind::object});
    std::uint32_t size = 0;
    for (const dom::key_value_pair member : object) {
      add_string(member.key);
      if (!add(member.value, depth)) return false;
      ++size;
    }
    close(index, size);
    return !has_duplicates(Value(&nodes_[index]));
  }

  void close(std::size_t index, std::uint32_t size) {
    nodes_[index].nodes = nodes_.size() - index;
    nodes_[index].size = size;
  }

  void add_string(std::string_view text) {
    std::memcpy(texts_end_, text.data(), text.size());
    nodes_.push_back({.text = texts_end_,
                      .size = static_cast<std::uint32_t>(text.size()),
                      .kind = Kind::string});
    texts_end_ += text.size();
  }

  bool has_duplicates(Value object) {
    names_.clear();
    for (const Member member : object.members()) names_.push_back(member.name);
    if (names_.size() > 16) {
      std::ranges::sort(names_);
      return std::ranges::adjacent_find(names_) != names_.end();
    }
    for (std::size_t i = 1; i < names_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (names_[i] == names_[j]) return true;
      }
    }
    return false;
  }

  std::vector<Node> nodes_;
  std::unique_ptr<char[]>
      texts_;  // unescaped texts are never longer than what they were written as
  char* texts_end_;
  std::vector<std::string_view> names_;
};

std::unexpected<Error> refusal(std::string_view text, const Fault& fault) {
  const Place place = place_of(text, fault.at);
  return fail(Error{ErrorCode::malformed_json,
                    fmt::format("line {}, column {}: {}", place.line, place.column, fault.detail),
                    {},
                    {}}
                  .with("line", std::to_string(place.line))
                  .with("column", std::to_string(place.column)));
}

std::optional<Document> build(Parser& parser, std::string_view text) {
  const auto root = parser.parse(text);
  if (root.error() != simdjson::SUCCESS) return std::nullopt;
  Builder builder(text.size());
  if (!builder.add(root.value_unsafe(), 0)) return std::nullopt;
  return std::move(builder).finish();
}

std::string with_points(std::string_view text, const std::vector<std::size_t>& large_integers) {
  std::string pointed;
  std::size_t begin = 0;
  for (const std::size_t end : large_integers) {
    pointed += text.substr(begin, end - begin);
    pointed += ".0";
    begin = end;
  }
  return pointed += text.substr(begin);
}

}  // namespace

Result<Document> parse(std::string_view text) {
  thread_local Parser kept;
  Parser own;
  Parser& parser = text.size() <= kept_text_max ? kept : own;
  if (auto document = build(parser, text)) return std::move(*document);
  const Check checked = check(text);
  if (checked.fault) return refusal(text, *checked.fault);
  if (auto document = build(parser, with_points(text, checked.large_integers))) {
    return std::move(*document);
  }
  return refusal(text, {0, "this is not JSON"});
}

bool valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text);
}

}  // namespace schemas::json
