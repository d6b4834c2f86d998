#include "schemas/signed_text.h"

#include "schemas/packing.h"
#include "schemas/planted.h"

namespace schemas {
namespace {

using Tag = std::array<std::uint8_t, tag_bytes>;

Tag tag_of(const HmacKey& key, const TextScope& scope, Bytes body) {
  Packer message(scope.prefix.size() + 17 + body.size());
  message.put(bytes_of(scope.prefix));
  message.put(scope.organization.uuid().bytes);
  message.put(scope.space);
  message.put(body);
  const auto digest = key.sign(message.bytes());
  Tag tag;
  std::copy_n(digest.begin(), tag.size(), tag.begin());
  return tag;
}

}  // namespace

std::string sign_text(const HmacKey& key, const TextScope& scope, Bytes body) {
  Packer packed(body.size() + tag_bytes);
  packed.put(body);
  packed.put(tag_of(key, scope, body));
  return std::string(scope.prefix) + base64url(packed.bytes());
}

std::optional<std::vector<std::uint8_t>> open_text(const HmacKey& key, const TextScope& scope,
                                                   std::string_view text) {
  if (!text.starts_with(scope.prefix)) return std::nullopt;
  auto bytes = parse_base64url(text.substr(scope.prefix.size()));
  if (!bytes || bytes->size() < tag_bytes) return std::nullopt;
  const auto body = Bytes(*bytes).first(bytes->size() - tag_bytes);
  const auto tag = Bytes(*bytes).last(tag_bytes);
  const bool ours = constant_time_equal(tag, tag_of(key, scope, body));
  if (!ours && !planted(Fault::accept_foreign_marks)) return std::nullopt;
  bytes->resize(body.size());
  return bytes;
}

}  // namespace schemas
