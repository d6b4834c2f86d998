#include "eventstore/sealing.h"

#include <fmt/core.h>

#include "schemas/packing.h"
#include "schemas/planted.h"

namespace eventstore {
namespace {

using schemas::Bytes;
using schemas::bytes_of;
using schemas::ErrorCode;
using schemas::fail;
using schemas::OrganizationId;
using schemas::Result;
using schemas::Secret;
using schemas::text_of;

constexpr std::uint8_t format = 1;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t head_bytes = 1 + 4 + nonce_bytes;

/// Every part has its length before it, so that no two places read the same.
std::vector<std::uint8_t> associated(const FieldPlace& where) {
  constexpr std::string_view label = "tidemark field";
  schemas::Packer bytes(label.size() + 64 + where.entity.name.size());
  bytes.put(bytes_of(label));
  bytes.put(where.organization.uuid().bytes);
  bytes.put(where.space);
  bytes.put(where.entity.id.bytes);
  for (const auto part : {where.kind, std::string_view(where.entity.name), where.field}) {
    bytes.put(static_cast<std::uint32_t>(part.size()));
    bytes.put(bytes_of(part));
  }
  return std::move(bytes).take();
}

std::span<const std::uint8_t, 32> key_of(const Secret& key) {
  return bytes_of(key.reveal()).first<32>();
}

}  // namespace

bool is_sealed_field(Bytes bytes) {
  return bytes.size() >= head_bytes + tag_bytes && bytes.front() >= format;
}

Sealing::Sealing(std::unique_ptr<KeyPlace> place, const StoredKeys& stored, RootKey root)
    : place_(std::move(place)), root_(std::move(root)) {
  take(stored);
}

Sealing::Sealing(std::string why_not) : why_not_(std::move(why_not)) {}

Result<void> Sealing::check_root() const {
  if (root_) return {};
  return fail(ErrorCode::root_key_missing,
              "sealed fields can be neither read nor written now: " + why_not_);
}

/// A key that does not open stays out: what it sealed is told when it is asked for.
void Sealing::take(const StoredKeys& stored) {
  std::lock_guard lock(keys_mutex_);
  for (const auto& key : stored.keys) {
    if (key.purpose != KeyPurpose::data || key.state != KeyState::active) continue;
    auto& there = keys_[key.organization][key.id];
    if (there != nullptr) continue;
    if (auto opened = open_key(key, root_->view())) {
      there = std::make_shared<const Secret>(std::move(*opened));
    }
  }
}

Sealing::Key Sealing::find(OrganizationId organization, std::uint32_t id) {
  std::lock_guard lock(keys_mutex_);
  const auto own = keys_.find(organization);
  if (own == keys_.end()) return nullptr;
  const auto key = own->second.find(id);
  return key == own->second.end() ? nullptr : key->second;
}

Result<Sealing::DataKey> Sealing::newest(OrganizationId organization) {
  const auto known = [&]() -> std::optional<DataKey> {
    std::lock_guard lock(keys_mutex_);
    const auto own = keys_.find(organization);
    if (own == keys_.end()) return std::nullopt;
    for (auto key = own->second.rbegin(); key != own->second.rend(); ++key) {
      if (key->second != nullptr) return DataKey{key->first, key->second};
    }
    return std::nullopt;
  };
  if (auto key = known()) return *key;
  std::lock_guard lock(place_mutex_);
  if (auto key = known()) return *key;  // another thread made it
  auto stored = place_->add([&](std::uint32_t id) {
    return make_key({id, KeyPurpose::data, organization}, root_->view());
  });
  if (!stored) return fail(std::move(stored).error());
  take(*stored);
  if (auto key = known()) return *key;
  return fail(ErrorCode::internal, "the data key that was made does not open");
}

bool Sealing::has_key(OrganizationId organization) {
  std::lock_guard lock(keys_mutex_);
  const auto own = keys_.find(organization);
  return own != keys_.end() &&
         std::ranges::any_of(own->second, [](const auto& key) { return key.second != nullptr; });
}

Result<std::string> Sealing::seal(const FieldPlace& where, std::string_view text) {
  if (auto there = check_root(); !there) return fail(std::move(there).error());
  auto key = newest(where.organization);
  if (!key) return fail(std::move(key).error());
  std::array<std::uint8_t, nonce_bytes> nonce;
  schemas::random_bytes(nonce);
  schemas::Packer out(head_bytes + text.size() + tag_bytes);
  out.put(format);
  out.put(key->id);
  out.put(nonce);
  if (planted(schemas::Fault::seal_nothing)) {
    out.put(bytes_of(text));
    return std::string(text_of(out.bytes()));
  }
  out.put(schemas::aes_256_gcm_seal({key_of(*key->key), nonce}, associated(where), bytes_of(text)));
  return std::string(text_of(out.bytes()));
}

Result<Secret> Sealing::open(const FieldPlace& where, std::string_view sealed) {
  if (auto there = check_root(); !there) return fail(std::move(there).error());
  schemas::Unpacker in(bytes_of(sealed));
  const auto written = in.get<std::uint8_t>();
  const auto id = in.get<std::uint32_t>();
  const auto nonce = in.get_array<nonce_bytes>();
  if (!in.ok() || written != format) {
    return fail(ErrorCode::internal, "a newer version of the program sealed this field");
  }
  auto key = find(where.organization, id);
  if (key == nullptr) {
    // Another process may have made it.
    std::lock_guard lock(place_mutex_);
    auto stored = place_->read();
    if (!stored) return fail(std::move(stored).error());
    take(*stored);
    key = find(where.organization, id);
  }
  if (key == nullptr) {
    return fail(ErrorCode::internal,
                fmt::format("this field was sealed with key {}, which the keyring does not have; "
                            "put back the keyring that belongs to this log",
                            id));
  }
  auto opened = schemas::aes_256_gcm_open({key_of(*key), nonce}, associated(where), in.rest());
  if (opened) return std::move(*opened);
  return fail(ErrorCode::internal, "this field does not open: its bytes are damaged");
}

Result<schemas::Digest> Sealing::derived(OrganizationId organization, std::string_view purpose) {
  if (auto there = check_root(); !there) return fail(std::move(there).error());
  if (auto made = newest(organization); !made) return fail(std::move(made).error());
  std::lock_guard lock(keys_mutex_);
  for (const auto& [id, key] : keys_[organization]) {
    if (key != nullptr) return schemas::hmac_sha256(bytes_of(key->reveal()), bytes_of(purpose));
  }
  return fail(ErrorCode::internal, "the organization's data keys do not open");
}

Result<schemas::HmacKey> Sealing::digest_key(OrganizationId organization) {
  auto key = derived(organization, "tidemark digests of requests");
  if (!key) return fail(std::move(key).error());
  return schemas::HmacKey(*key);
}

Result<schemas::BlindHash> Sealing::blind(const FieldPlace& where, std::string_view text) {
  auto key = derived(where.organization, "tidemark blind indexes");
  if (!key) return fail(std::move(key).error());
  auto of = associated({where.organization, where.space, where.kind, {}, where.field});
  of.insert(of.end(), text.begin(), text.end());
  const auto hash = schemas::hmac_sha256(*key, of);
  schemas::BlindHash blind;
  std::ranges::copy_n(hash.begin(), blind.size(), blind.begin());
  return blind;
}

}  // namespace eventstore
