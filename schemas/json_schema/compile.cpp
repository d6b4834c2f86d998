#include <algorithm>
#include <cmath>
#include <map>

#include "schemas/json_schema/compiled.h"
#include "schemas/json_schema/schema.h"
#include "schemas/json_writer.h"

namespace schemas::json_schema {
namespace {

constexpr std::string_view dialect = "https://json-schema.org/draft/2020-12/schema";
constexpr std::size_t faults_max = 100;

constexpr std::string_view resources =
    "is not supported: a schema is one document; put what it refers to under $defs";
constexpr std::string_view dynamic = "is not supported: use $ref and $anchor";

/// What this program knows and does not do, or does no more, and what to write instead.
const std::map<std::string_view, std::string_view> refused{
    {"$dynamicRef", dynamic},
    {"$dynamicAnchor", dynamic},
    {"$recursiveRef", dynamic},
    {"$recursiveAnchor", dynamic},
    {"$vocabulary", "is not supported: leave it out"},
    {"id", "is no keyword of 2020-12: leave it out"},
    {"definitions", "is no keyword of 2020-12: use $defs"},
    {"dependencies", "is no keyword of 2020-12: use dependentRequired or dependentSchemas"},
    {"additionalItems", "is no keyword of 2020-12: use items beside prefixItems"}};

/// What says nothing about validity.
constexpr std::array annotations{
    "title",     "description", "default", "examples",        "deprecated",       "readOnly",
    "writeOnly", "$comment",    "format",  "contentEncoding", "contentMediaType", "contentSchema"};

const std::map<std::string_view, std::uint8_t> type_names{
    {"null", null_type},       {"boolean", boolean_type}, {"object", object_type},
    {"array", array_type},     {"string", string_type},   {"number", number_type | integer_type},
    {"integer", integer_type},
};

/// A number that is whole, however it is written.
std::optional<std::uint64_t> count_of(Value value) {
  if (auto number = value.as_uint64()) return number;
  auto real = value.as_double();
  if (!real || *real < 0 || *real > 9e15 || std::floor(*real) != *real) return std::nullopt;
  return static_cast<std::uint64_t>(*real);
}

/// A URI's fragment: %2F is a slash.
std::optional<std::string> decode_fragment(std::string_view fragment) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10; };
  std::string text;
  for (std::size_t i = 0; i < fragment.size(); ++i) {
    if (fragment[i] != '%') {
      text.push_back(fragment[i]);
      continue;
    }
    if (i + 2 >= fragment.size()) return std::nullopt;
    if (!std::isxdigit(static_cast<unsigned char>(fragment[i + 1])) ||
        !std::isxdigit(static_cast<unsigned char>(fragment[i + 2]))) {
      return std::nullopt;
    }
    text.push_back(static_cast<char>(digit(fragment[i + 1]) * 16 + digit(fragment[i + 2])));
    i += 2;
  }
  return text;
}

class Compiler {
 public:
  Compiler(Compiled& compiled, std::string_view pointer) : compiled_(compiled), base_(pointer) {}

  std::vector<FieldError> run() {
    const auto root = compiled_.document.root();
    if (auto id = root.find("$id")) id_ = id->as_string().value_or("");
    add(root, "");
    for (const auto& reference : references_) resolve(reference);
    if (faults_.empty()) check_chains();
    return std::move(faults_);
  }

 private:
  using At = const std::string&;  // a pointer into the schema
  using Keyword = void (Compiler::*)(Node&, Value, At);
  struct Reference {
    Index from;
    std::string target;
    std::string at;
  };

  void wrong(At at, std::string_view detail) {
    if (faults_.size() == faults_max) return;
    faults_.push_back({FieldError::In::body, base_ + at, std::string(detail)});
  }

  Index add(Value schema, At at) {
    const auto index = static_cast<Index>(compiled_.nodes.size());
    if (index == subschemas_max) {
      wrong(at, "is one subschema too many; a schema has at most " + std::to_string(index));
    }
    if (index >= subschemas_max) return 0;
    compiled_.nodes.emplace_back();
    places_.emplace(at, index);
    Node node;
    if (auto constant = schema.as_bool()) {
      node.never = !*constant;
    } else if (!schema.is_object()) {
      wrong(at, "must be a schema: an object, true or false");
    }
    current_ = index;
    for (auto [name, value] : schema.members()) {
      read(node, name, value, at + "/" + json::pointer_escape(name));
      current_ = index;
    }
    compiled_.nodes[index] = std::move(node);
    return index;
  }

  void read(Node& node, std::string_view name, Value value, At at) {
    static const std::map<std::string_view, Keyword> keywords = all_keywords();
    auto keyword = keywords.find(name);
    if (keyword != keywords.end()) return (this->*keyword->second)(node, value, at);
    auto known = refused.find(name);
    if (known != refused.end()) return wrong(at, known->second);
    if (std::ranges::find(annotations, name) != annotations.end() || name.starts_with("x-")) return;
    wrong(at, "is no keyword of JSON Schema 2020-12; a note of your own begins with x-");
  }

  // ---- forms that keywords share ----

  template <std::optional<std::uint64_t> Node::* member>
  void count(Node& node, Value value, At at) {
    node.*member = count_of(value);
    if (!(node.*member)) wrong(at, "must be a whole number from 0");
  }
  template <std::optional<Value> Node::* member>
  void number(Node& node, Value value, At at) {
    if (!value.is_number()) return wrong(at, "must be a number");
    node.*member = value;
  }
  template <std::optional<Index> Node::* member>
  void schema(Node& node, Value value, At at) {
    node.*member = add(value, at);
  }
  template <std::vector<Index> Node::* member>
  void schemas(Node& node, Value value, At at) {
    if (value.size() == 0 || !value.is_array()) {
      return wrong(at, "must be an array of at least one schema");
    }
    std::size_t i = 0;
    for (auto one : value.elements()) {
      (node.*member).push_back(add(one, at + "/" + std::to_string(i++)));
    }
  }
  std::vector<std::string_view> names(Value value, At at) {
    std::vector<std::string_view> found;
    bool right = value.is_array();
    for (auto one : value.elements()) {
      auto name = one.as_string();
      right = right && name && std::ranges::find(found, *name) == found.end();
      if (name) found.push_back(*name);
    }
    if (!right) wrong(at, "must be an array of different names");
    return found;
  }
  bool is_object(Value value, At at) {
    if (!value.is_object()) wrong(at, "must be an object");
    return value.is_object();
  }
  std::optional<cel::Pattern> compile_pattern(std::string_view text, At at) {
    if (compiled_.patterns == patterns_max) {
      wrong(at, "is one regular expression too many; a schema has at most " +
                    std::to_string(patterns_max));
    }
    if (++compiled_.patterns > patterns_max) return std::nullopt;
    auto pattern = cel::Pattern::compile(text);
    if (pattern) return std::move(*pattern);
    wrong(at, pattern.error().detail);
    return std::nullopt;
  }

  // ---- keywords with a form of their own ----

  void dialect_of(Node&, Value value, At at) {
    if (current_ != 0) return wrong(at, "stands at the top of a schema only");
    if (value.as_string() != dialect) {
      wrong(at, "must be " + std::string(dialect) + ", or left out");
    }
  }
  void id(Node&, Value value, At at) {
    if (current_ != 0) return wrong(at, resources);
    auto text = value.as_string();
    if (!text || text->contains('#')) wrong(at, "must be a URI without a fragment");
  }
  void anchor(Node&, Value value, At at) {
    auto name = value.as_string().value_or("");
    auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    auto other = [&](char c) {
      return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    if (name.empty() || !(letter(name[0]) || name[0] == '_') || !std::ranges::all_of(name, other)) {
      return wrong(at, "must match ^[A-Za-z_][A-Za-z0-9._-]*$");
    }
    if (!anchors_.emplace(name, current_).second) wrong(at, "stands elsewhere in this schema too");
  }
  void reference(Node&, Value value, At at) {
    auto text = value.as_string();
    if (!text) return wrong(at, "must be a text such as #/$defs/name");
    auto target = *text;
    const bool of_root = !id_.empty() && target.starts_with(id_) &&
                         (target.size() == id_.size() || target[id_.size()] == '#');
    if (of_root) target.remove_prefix(id_.size());
    if (!of_root && !target.starts_with('#')) return wrong(at, resources);
    if (!target.empty()) target.remove_prefix(1);
    auto decoded = decode_fragment(target);
    if (!decoded) return wrong(at, "is no URI reference");
    references_.push_back({current_, std::move(*decoded), at});
  }
  void types(Node& node, Value value, At at) {
    node.types = 0;
    bool right = value.is_string() || (value.is_array() && value.size() > 0);
    auto take = [&](Value one) {
      auto found = type_names.find(one.as_string().value_or(""));
      if (found == type_names.end()) return void(right = false);
      node.types |= found->second;
    };
    if (value.is_string()) take(value);
    for (auto one : value.elements()) take(one);
    if (!right) {
      wrong(at, "must be null, boolean, object, array, number, string or integer, or some of them");
    }
  }
  void choices(Node& node, Value value, At at) {
    if (!value.is_array()) return wrong(at, "must be an array");
    auto& all = node.choices.emplace();
    for (auto one : value.elements()) all.push_back(one);
  }
  void constant(Node& node, Value value, At) { node.constant = value; }
  void multiple(Node& node, Value value, At at) {
    if (!value.as_double() || *value.as_double() <= 0) return wrong(at, "must be above 0");
    node.multiple_of = value;
  }
  void pattern(Node& node, Value value, At at) {
    auto text = value.as_string();
    if (!text) return wrong(at, "must be a text");
    node.pattern = compile_pattern(*text, at);
    node.pattern_text = *text;
  }
  void unique_items(Node& node, Value value, At at) {
    if (!value.as_bool()) return wrong(at, "must be true or false");
    node.unique_items = *value.as_bool();
  }
  void items(Node& node, Value value, At at) {
    if (value.is_array()) {
      return wrong(at, "is one schema in 2020-12: a list of schemas is prefixItems");
    }
    node.items = add(value, at);
  }
  void required(Node& node, Value value, At at) { node.required = names(value, at); }
  void definitions(Node&, Value value, At at) {
    if (!is_object(value, at)) return;
    for (auto [name, one] : value.members()) add(one, at + "/" + json::pointer_escape(name));
  }
  void properties(Node& node, Value value, At at) {
    if (!is_object(value, at)) return;
    for (auto [name, one] : value.members()) {
      node.properties.emplace(name, add(one, at + "/" + json::pointer_escape(name)));
    }
  }
  void pattern_properties(Node& node, Value value, At at) {
    if (!is_object(value, at)) return;
    for (auto [name, one] : value.members()) {
      const auto place = at + "/" + json::pointer_escape(name);
      auto compiled = compile_pattern(name, place);
      const auto index = add(one, place);
      if (compiled) node.pattern_properties.emplace_back(std::move(*compiled), index);
    }
  }
  void dependent_required(Node& node, Value value, At at) {
    if (!is_object(value, at)) return;
    for (auto [name, one] : value.members()) {
      node.dependent_required.emplace_back(name, names(one, at + "/" + json::pointer_escape(name)));
    }
  }
  void dependent_schemas(Node& node, Value value, At at) {
    if (!is_object(value, at)) return;
    for (auto [name, one] : value.members()) {
      node.dependent_schemas.emplace_back(name, add(one, at + "/" + json::pointer_escape(name)));
    }
  }

  static std::map<std::string_view, Keyword> all_keywords() {
    return {{"$schema", &Compiler::dialect_of},
            {"$id", &Compiler::id},
            {"$anchor", &Compiler::anchor},
            {"$ref", &Compiler::reference},
            {"$defs", &Compiler::definitions},
            {"type", &Compiler::types},
            {"enum", &Compiler::choices},
            {"const", &Compiler::constant},
            {"multipleOf", &Compiler::multiple},
            {"minimum", &Compiler::number<&Node::minimum>},
            {"maximum", &Compiler::number<&Node::maximum>},
            {"exclusiveMinimum", &Compiler::number<&Node::above>},
            {"exclusiveMaximum", &Compiler::number<&Node::below>},
            {"minLength", &Compiler::count<&Node::length_min>},
            {"maxLength", &Compiler::count<&Node::length_max>},
            {"pattern", &Compiler::pattern},
            {"minItems", &Compiler::count<&Node::items_min>},
            {"maxItems", &Compiler::count<&Node::items_max>},
            {"uniqueItems", &Compiler::unique_items},
            {"prefixItems", &Compiler::schemas<&Node::prefix>},
            {"items", &Compiler::items},
            {"contains", &Compiler::schema<&Node::contains>},
            {"minContains", &Compiler::count<&Node::contains_min>},
            {"maxContains", &Compiler::count<&Node::contains_max>},
            {"minProperties", &Compiler::count<&Node::properties_min>},
            {"maxProperties", &Compiler::count<&Node::properties_max>},
            {"required", &Compiler::required},
            {"properties", &Compiler::properties},
            {"patternProperties", &Compiler::pattern_properties},
            {"additionalProperties", &Compiler::schema<&Node::additional>},
            {"propertyNames", &Compiler::schema<&Node::property_names>},
            {"dependentRequired", &Compiler::dependent_required},
            {"dependentSchemas", &Compiler::dependent_schemas},
            {"allOf", &Compiler::schemas<&Node::all_of>},
            {"anyOf", &Compiler::schemas<&Node::any_of>},
            {"oneOf", &Compiler::schemas<&Node::one_of>},
            {"not", &Compiler::schema<&Node::none_of>},
            {"if", &Compiler::schema<&Node::condition>},
            {"then", &Compiler::schema<&Node::then>},
            {"else", &Compiler::schema<&Node::otherwise>},
            {"unevaluatedItems", &Compiler::schema<&Node::unevaluated_items>},
            {"unevaluatedProperties", &Compiler::schema<&Node::unevaluated_properties>}};
  }

  void resolve(const Reference& reference) {
    const auto& target = reference.target;
    const bool by_place = target.empty() || target.front() == '/';
    auto place = by_place ? places_.find(target) : places_.end();
    auto anchor = by_place ? anchors_.end() : anchors_.find(target);
    if (place != places_.end()) {
      compiled_.nodes[reference.from].reference = place->second;
      places_of_references_[reference.from] = reference.at;
    } else if (anchor != anchors_.end()) {
      compiled_.nodes[reference.from].reference = anchor->second;
      places_of_references_[reference.from] = reference.at;
    } else {
      wrong(reference.at, "points at no schema in this document");
    }
  }

  // ---- every subschema leads on to a place deeper in the value after a bounded number of steps
  // ----

  static std::vector<Index> at_same_place(const Node& node) {
    std::vector<Index> next = node.all_of;
    next.insert(next.end(), node.any_of.begin(), node.any_of.end());
    next.insert(next.end(), node.one_of.begin(), node.one_of.end());
    for (const auto& one :
         {node.none_of, node.condition, node.then, node.otherwise, node.reference}) {
      if (one) next.push_back(*one);
    }
    for (const auto& [name, one] : node.dependent_schemas) next.push_back(one);
    return next;
  }

  /// The longest chain from each subschema, chain_max + 1 for what is longer or has no end: what
  /// follows a node has settled once as many rounds have passed as the chain is long.
  void check_chains() {
    const auto count = compiled_.nodes.size();
    std::vector<std::vector<Index>> next(count);
    for (std::size_t i = 0; i < count; ++i) next[i] = at_same_place(compiled_.nodes[i]);
    std::vector<std::size_t> lengths(count, 1);
    for (std::size_t round = 0; round <= chain_max; ++round) {
      for (std::size_t i = 0; i < count; ++i) {
        for (auto one : next[i]) lengths[i] = std::max(lengths[i], lengths[one] + 1);
        lengths[i] = std::min(lengths[i], chain_max + 1);
      }
    }
    if (std::ranges::max(lengths) <= chain_max) return;
    for (const auto& [from, at] : places_of_references_) {
      if (lengths[from] <= chain_max) continue;
      return wrong(at, "comes back to itself, or goes through more than " +
                           std::to_string(chain_max) +
                           " schemas, before anything deeper in the value is looked at");
    }
    wrong("", "more than " + std::to_string(chain_max) + " schemas follow each other at one place");
  }

  Compiled& compiled_;
  std::string base_;
  std::string_view id_;  // of the document, which $ref may repeat
  Index current_ = 0;
  std::map<std::string, Index, std::less<>> places_;
  std::map<std::string_view, Index> anchors_;
  std::map<Index, std::string> places_of_references_;
  std::vector<Reference> references_;
  std::vector<FieldError> faults_;
};

}  // namespace

Result<Schema> Schema::compile(Value schema, std::string_view pointer) {
  // A document of its own: what is compiled points into it.
  const auto text = json::minify(schema);
  if (text.size() > bytes_max) {
    return invalid_field(std::string(pointer), "has " + std::to_string(text.size()) +
                                                   " bytes; a schema has at most " +
                                                   std::to_string(bytes_max));
  }
  auto document = json::parse(text);
  if (!document) return std::unexpected(std::move(document).error());
  auto compiled = std::make_shared<Compiled>(Compiled{std::move(*document), {}, 0});
  auto faults = Compiler(*compiled, pointer).run();
  if (!faults.empty()) {
    auto detail = faults.size() == 1 ? "1 field is wrong"
                                     : std::to_string(faults.size()) + " fields are wrong";
    return fail(Error{ErrorCode::invalid_request, std::move(detail), std::move(faults), {}});
  }
  return Schema(std::move(compiled));
}

std::size_t Schema::pattern_count() const {
  return compiled_->patterns;
}

}  // namespace schemas::json_schema
