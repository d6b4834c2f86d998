#include "eventstore/service_keys.h"

#include <algorithm>

#include "schemas/packing.h"

namespace eventstore {
namespace {

using schemas::Result;

constexpr std::string_view magic = "tmserv\r\n";
constexpr std::size_t key_bytes = 32;
constexpr std::size_t crc_bytes = 4;
constexpr std::size_t file_bytes = 8 + 8 + 2 * (4 + key_bytes) + crc_bytes;

std::string path_in(const std::string& directory) {
  return directory + "/service.keys";
}

std::vector<std::uint8_t> encode(const Fingerprint& root, const ServiceKeys& keys) {
  schemas::Packer out(file_bytes);
  out.put(schemas::bytes_of(magic));
  out.put(root);
  for (const auto* bare : {&keys.mark, &keys.hmac}) {
    out.put(bare->id);
    out.put(schemas::bytes_of(bare->key.reveal()));
  }
  out.put(schemas::crc32c(out.bytes()));
  return std::move(out).take();
}

BareKey unpack(schemas::Unpacker& in) {
  const auto id = in.get<std::uint32_t>();
  return {id, schemas::Secret(schemas::text_of(in.take(key_bytes)))};
}

}  // namespace

Result<void> keep_service_keys(FileSystem& files, const std::string& directory,
                               const Fingerprint& root, const ServiceKeys& keys) {
  const auto path = path_in(directory);
  const auto bytes = encode(root, keys);
  const auto there = read_whole(files, path);
  if (there && *there == bytes) return {};
  return replace_whole(files, path, bytes);
}

Result<std::optional<ServiceKeys>> read_service_keys(FileSystem& files,
                                                     const std::string& directory,
                                                     const Fingerprint& root) {
  const auto bytes = read_whole(files, path_in(directory));
  if (!bytes && bytes.error().code == schemas::ErrorCode::not_found) return std::nullopt;
  if (!bytes) return schemas::fail(bytes.error());
  if (bytes->size() != file_bytes) return std::nullopt;
  const auto content = schemas::Bytes(*bytes).first(file_bytes - crc_bytes);
  schemas::Unpacker in(*bytes);
  const bool ours = schemas::text_of(in.take(magic.size())) == magic;
  const bool of_this_keyring = std::ranges::equal(in.take(root.size()), root);
  ServiceKeys keys{unpack(in), unpack(in)};
  if (!ours || !of_this_keyring || in.get<std::uint32_t>() != schemas::crc32c(content)) {
    return std::nullopt;
  }
  return keys;
}

}  // namespace eventstore
