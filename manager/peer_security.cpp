#include "manager/peer_security.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include <fmt/format.h>

namespace manager {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

Result<std::string> read_pem(const std::string& path, std::string_view setting,
                             std::string_view begin) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) {
    return fail(ErrorCode::invalid_parameter,
                fmt::format("{}: '{}' cannot be read: {}", setting, path,
                            std::generic_category().message(errno)));
  }
  const auto found = text.find("-----BEGIN ");
  if (found == std::string::npos || text.find(begin, found) == std::string::npos) {
    return fail(ErrorCode::invalid_parameter,
                fmt::format("{}: '{}' holds no PEM text with '{}'", setting, path, begin));
  }
  return text;
}

}  // namespace

Result<PeerSecurityPtr> read_peer_files(const PeerFiles& files) {
  if (!files.certificate && !files.key && !files.authority) return PeerSecurityPtr{};
  if (!files.certificate || !files.key || !files.authority) {
    return fail(ErrorCode::invalid_parameter,
                "rpc_certificate, rpc_key and rpc_ca belong together: give all three, or none for "
                "processes that are alone in their network");
  }
  auto certificate = read_pem(*files.certificate, "rpc_certificate", "CERTIFICATE-----");
  if (!certificate) return fail(std::move(certificate).error());
  auto key = read_pem(*files.key, "rpc_key", "PRIVATE KEY-----");
  if (!key) return fail(std::move(key).error());
  auto authority = read_pem(*files.authority, "rpc_ca", "CERTIFICATE-----");
  if (!authority) return fail(std::move(authority).error());
  return std::make_shared<const PeerSecurity>(
      PeerSecurity{std::move(*certificate), schemas::Secret(*key), std::move(*authority)});
}

}  // namespace manager
