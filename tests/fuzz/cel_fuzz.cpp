// Any bytes, as an expression: it is refused with a place, or it comes to something within its
// limits, the same each time. What is in front of a line end is the expression, behind it JSON.

#include <string_view>

#include "schemas/cel/program.h"
#include "schemas/cel/text.h"
#include "schemas/json.h"
#include "schemas/result.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace schemas;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = std::min(text.find('\n'), text.size());
  static constexpr std::string_view variables[] = {"event", "a.b"};
  const auto program = cel::Program::compile(text.substr(0, line), variables);
  if (!program) {
    ENSURE(!program.error().detail.empty());
    return 0;
  }
  const auto event = json::parse(text.substr(std::min(line + 1, size)));
  const cel::Value values[] = {event ? cel::Value::of(event->root()) : cel::Value::integer(7),
                               cel::Value::string("x")};
  cel::Memory memory(cel::Limits{.steps = 2'000, .bytes = 10'000});
  const auto first = program->evaluate(values, memory);
  const auto spent = memory.spent();
  const auto shown = cel::to_text(first);
  ENSURE(json::valid_utf8(shown) || first.kind() != cel::Kind::string);
  const auto second = program->evaluate(values, memory);
  ENSURE(second.kind() == first.kind() && cel::to_text(second) == shown && memory.spent() == spent);
  return 0;
}
