#pragma once

#include <memory>
#include <optional>
#include <string>

#include "schemas/crypto.h"
#include "schemas/result.h"

/// How the processes of a cluster know each other: each shows a certificate, and talks to whoever
/// shows one of the same authority, which must certify nobody else. A server's certificate names
/// the host by which it is reached. Files are read once, at the start.
namespace manager {

/// Paths of PEM files: all of them, or none for processes that are alone in their network.
struct PeerFiles {
  std::optional<std::string> certificate;
  std::optional<std::string> key;
  std::optional<std::string> authority;
};

/// Texts of PEM.
struct PeerSecurity {
  std::string certificate;
  schemas::Secret key;
  std::string authority;
};
/// Null: no encryption, and nobody proves anything. Every connection of a process shares it.
using PeerSecurityPtr = std::shared_ptr<const PeerSecurity>;

schemas::Result<PeerSecurityPtr> read_peer_files(const PeerFiles& files);

}  // namespace manager
