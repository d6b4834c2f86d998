#include "eventstore/root_key.h"

#include <filesystem>
#include <system_error>

#include <fmt/core.h>

namespace eventstore {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

constexpr std::size_t key_bytes = 32;
constexpr std::string_view digits = "0123456789abcdef";

schemas::Secret to_hex(std::span<const std::uint8_t, key_bytes> bytes) {
  std::array<char, 2 * key_bytes + 1> text;
  for (std::size_t i = 0; i < key_bytes; ++i) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  text.back() = '\n';
  return schemas::Secret({text.data(), text.size()});
}

std::optional<schemas::Secret> from_hex(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (text.size() != 2 * key_bytes) return std::nullopt;
  std::array<char, key_bytes> bytes{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lower = text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i];
    const auto digit = digits.find(static_cast<char>(lower));
    if (digit == std::string_view::npos) return std::nullopt;
    bytes[i / 2] = static_cast<char>((static_cast<unsigned char>(bytes[i / 2]) << 4) | digit);
  }
  return schemas::Secret({bytes.data(), bytes.size()});
}

/// Looks at the file itself, since permissions are not part of the seam; a fake's file is not
/// there.
Result<void> check_permissions(const std::string& path) {
  using std::filesystem::perms;
  std::error_code failed;
  const auto status = std::filesystem::status(path, failed);
  if (failed || !std::filesystem::exists(status)) return {};
  if ((status.permissions() & (perms::group_all | perms::others_all)) == perms::none) return {};
  return fail(
      ErrorCode::internal,
      fmt::format("the root key {0} is open to other users; close it with chmod 600 {0}, and "
                  "make new keys if somebody may have read it",
                  path));
}

}  // namespace

std::span<const std::uint8_t, 32> RootKey::view() const {
  return schemas::bytes_of(bytes.reveal()).first<key_bytes>();
}

Result<std::optional<RootKey>> read_root_key(FileSystem& files, const std::string& path) {
  auto content = read_whole(files, path);
  if (!content && content.error().code == ErrorCode::not_found) return std::nullopt;
  if (!content) return fail(std::move(content).error());
  if (auto closed = check_permissions(path); !closed) return fail(std::move(closed).error());
  const schemas::Secret text(schemas::text_of(*content));
  auto bytes = from_hex(text.reveal());
  if (bytes) return RootKey{std::move(*bytes), path, false};
  return fail(ErrorCode::internal,
              fmt::format("{} is no root key: 64 hexadecimal digits are expected", path));
}

Result<RootKey> make_root_key(FileSystem& files, const std::string& path) {
  std::array<std::uint8_t, key_bytes> bytes;
  schemas::random_bytes(bytes);
  RootKey key{schemas::Secret(schemas::text_of(bytes)), path, true};
  if (auto written = copy_root_key(files, key, path); !written) {
    return fail(std::move(written).error());
  }
  return key;
}

Result<void> copy_root_key(FileSystem& files, const RootKey& key, const std::string& path) {
  const auto text = to_hex(key.view());
  return replace_whole(files, path, schemas::bytes_of(text.reveal()));
}

}  // namespace eventstore
