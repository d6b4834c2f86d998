#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace webhooks {

/// An authority of the tests' own, made in memory, and what it certifies.
class TlsAuthority {
 public:
  struct Certified {
    std::string names;  // as OpenSSL writes them: `DNS:a.example,IP:127.0.0.1`; none when empty
    std::string common_name = "receiver";
    std::chrono::seconds begin{-std::chrono::hours(1)};  // from now
    std::chrono::seconds end{std::chrono::hours(1)};
  };

  explicit TlsAuthority(const std::string& name);

  /// What a receiver with such a certificate listens with.
  std::unique_ptr<boost::asio::ssl::context> certify(const Certified& its) const;
  /// The same, with nobody's word but its own.
  static std::unique_ptr<boost::asio::ssl::context> self_signed(const Certified& its);

  /// The authority's certificate, to be trusted.
  std::string pem() const;

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
  struct Issuer {
    EVP_PKEY* key;
    X509* certificate;  // none: its own
  };
  static Key make_key();
  static Certificate make(const Certified& its, EVP_PKEY* key, Issuer issuer, bool authority);
  static std::unique_ptr<boost::asio::ssl::context> context_of(X509* certificate, EVP_PKEY* key);

  Key key_;
  Certificate certificate_;
};

/// The name that the last client asked for is put into `name`, which outlives the context;
/// `nothing` when it asked for none.
void tell_server_names(boost::asio::ssl::context& context, std::string& name);

}  // namespace webhooks
