#include "tests/webhooks/tls_authority.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "schemas/result.h"

namespace webhooks {
namespace {

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  ENSURE(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TlsAuthority::TlsAuthority(const std::string& name)
    : key_(make_key()),
      certificate_(
          make({.names = "", .common_name = name}, key_.get(), {key_.get(), nullptr}, true)) {}

TlsAuthority::Key TlsAuthority::make_key() {
  return {EVP_EC_gen("P-256"), &EVP_PKEY_free};
}

TlsAuthority::Certificate TlsAuthority::make(const Certified& its, EVP_PKEY* key, Issuer issuer,
                                             bool authority) {
  Certificate made(X509_new(), &X509_free);
  auto* certificate = made.get();
  static long serial = 1;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), its.begin.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), its.end.count());
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(its.common_name.c_str()), -1,
                             -1, 0);
  auto* by = issuer.certificate != nullptr ? issuer.certificate : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  add_extension(certificate, by, NID_basic_constraints,
                authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (authority) add_extension(certificate, by, NID_key_usage, "critical,keyCertSign,cRLSign");
  if (!its.names.empty()) add_extension(certificate, by, NID_subject_alt_name, its.names);
  ENSURE(X509_sign(certificate, issuer.key, EVP_sha256()) > 0);
  return made;
}

std::unique_ptr<boost::asio::ssl::context> TlsAuthority::context_of(X509* certificate,
                                                                    EVP_PKEY* key) {
  auto made = std::make_unique<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  ENSURE(SSL_CTX_use_certificate(made->native_handle(), certificate) == 1);
  ENSURE(SSL_CTX_use_PrivateKey(made->native_handle(), key) == 1);
  return made;
}

std::unique_ptr<boost::asio::ssl::context> TlsAuthority::certify(const Certified& its) const {
  const auto key = make_key();
  const auto certificate = make(its, key.get(), {key_.get(), certificate_.get()}, false);
  return context_of(certificate.get(), key.get());
}

std::unique_ptr<boost::asio::ssl::context> TlsAuthority::self_signed(const Certified& its) {
  const auto key = make_key();
  const auto certificate = make(its, key.get(), {key.get(), nullptr}, false);
  return context_of(certificate.get(), key.get());
}

std::string TlsAuthority::pem() const {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  ENSURE(PEM_write_bio_X509(bio.get(), certificate_.get()) == 1);
  char* bytes = nullptr;
  const auto count = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<std::size_t>(count)};
}

void tell_server_names(boost::asio::ssl::context& context, std::string& name) {
  const auto tell = [](SSL* ssl, int* /*alert*/, void* where) {
    const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    *static_cast<std::string*>(where) = asked != nullptr ? asked : "nothing";
    return SSL_TLSEXT_ERR_OK;
  };
  SSL_CTX_set_tlsext_servername_callback(context.native_handle(), +tell);
  SSL_CTX_set_tlsext_servername_arg(context.native_handle(), &name);
}

}  // namespace webhooks
