#include "schemas/json.h"
#include "schemas/json_writer.h"

namespace schemas::json {
namespace {

void write_changed(Writer& writer, std::string& pointer, Value value, const Change& change) {
  if (auto changed = change(pointer, value)) {
    writer.raw(*changed);
    return;
  }
  const auto size = pointer.size();
  if (value.is_object()) {
    writer.begin_object();
    for (const auto [name, member] : value.members()) {
      pointer += '/' + pointer_escape(name);
      write_changed(writer.name(name), pointer, member, change);
      pointer.resize(size);
    }
    writer.end_object();
  } else if (value.is_array()) {
    writer.begin_array();
    std::size_t index = 0;
    for (const auto element : value.elements()) {
      pointer += '/' + std::to_string(index++);
      write_changed(writer, pointer, element, change);
      pointer.resize(size);
    }
    writer.end_array();
  } else {
    writer.value(value);
  }
}

}  // namespace

std::string rewrite(Value root, const Change& change) {
  std::string out;
  std::string pointer;
  Writer writer(out);
  write_changed(writer, pointer, root, change);
  return out;
}

}  // namespace schemas::json
