#include "schemas/crypto_ed25519.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "schemas/result.h"

namespace schemas {

void Ed25519Key::Free::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

Ed25519Key::Ed25519Key(Seed seed)
    : key_(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size())) {
  ENSURE(key_ != nullptr);
}

Ed25519Key::Public Ed25519Key::public_key() const {
  Public bytes;
  std::size_t size = bytes.size();
  ENSURE(EVP_PKEY_get_raw_public_key(key_.get(), bytes.data(), &size) == 1);
  return bytes;
}

Secret Ed25519Key::seed() const {
  std::array<std::uint8_t, 32> bytes;
  std::size_t size = bytes.size();
  ENSURE(EVP_PKEY_get_raw_private_key(key_.get(), bytes.data(), &size) == 1);
  Secret seed(text_of(bytes));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return seed;
}

Ed25519Key::Signature Ed25519Key::sign(Bytes message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  Signature signature;
  std::size_t size = signature.size();
  const bool done =
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1;
  ENSURE(done && size == signature.size());
  return signature;
}

}  // namespace schemas
