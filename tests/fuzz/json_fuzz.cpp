// Any bytes: the fast reader and the slow look for a fault must agree on what is JSON, and whatever
// is read must survive every way of writing it.

#include <algorithm>

#include "schemas/json.h"
#include "schemas/json_fault.h"
#include "schemas/result.h"

namespace {

void check_document(schemas::json::Value root) {
  using namespace schemas::json;
  const std::string text = minify(root);
  const auto again = parse(text);
  ENSURE(again && again->root() == root && minify(again->root()) == text);
  const std::string canonical_text = canonical(root);
  const auto canonical_again = parse(canonical_text);
  // Large integers may become doubles beyond what this reader calls an integer, never anything
  // else.
  ENSURE(!canonical_again || canonical(canonical_again->root()) == canonical_text);
  ENSURE(parse(merge_patch(root, root)).has_value());
  ENSURE(parse(merge_patch(std::nullopt, root)).has_value());
  for (const auto [name, value] : root.members()) {
    const auto found = resolve(root, '/' + pointer_escape(name));
    ENSURE(found && found->node() == value.node());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = schemas::json::parse(text);
  const auto fault = schemas::json::check(text).fault;
  ENSURE(document.has_value() != fault.has_value());
  ENSURE(!fault || fault->at <= size);
  if (document) check_document(document->root());
  return 0;
}
