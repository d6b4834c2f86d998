// Any bytes as a mark and as a cursor: nothing may crash, and what is accepted is exactly what the
// codec itself writes. So that the fuzzer gets past the tag, the input is also taken as a body and
// signed.

#include <algorithm>

#include "schemas/cursors.h"
#include "schemas/marks.h"
#include "schemas/signed_text.h"

namespace {

using namespace schemas;

const OrganizationId organization{Uuid{{1}}};
const ListDigest list{};

HmacKey key() {
  const std::array<std::uint8_t, 32> bytes{42};
  return HmacKey(bytes);
}

void check_mark(std::string_view text) {
  const MarkCodec marks(1, key());
  const auto positions = marks.decode(organization, Space::live, text);
  if (positions) ENSURE(marks.encode(organization, Space::live, *positions) == text);
}

void check_cursor(std::string_view text) {
  const CursorCodec cursors(1, key());
  const auto cursor = cursors.decode(organization, Space::live, list, text);
  if (cursor) ENSURE(cursors.encode(organization, Space::live, list, *cursor) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_mark(text);
  check_cursor(text);
  check_mark(sign_text(key(), {"tm1_", organization, Space::live}, {data, size}));
  check_cursor(sign_text(key(), {"cur1_", organization, Space::live}, {data, size}));
  return 0;
}
