#pragma once

#include <memory>

#include "manager/peer_security.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

/// What both ends of a connection tell gRPC alike. Whoever makes credentials here has gRPC write
/// into our log too.
namespace manager {

std::shared_ptr<grpc::ServerCredentials> server_credentials(const PeerSecurityPtr& security);
std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const PeerSecurityPtr& security);

/// Of one message, either way.
inline constexpr int message_bytes_max = 64 << 20;
/// What is put into one message while more waits; one that is larger goes alone.
inline constexpr std::size_t message_bytes_usual = std::size_t{1} << 20;

/// What a server says first, so that an asker knows that it was let in, and by whom.
inline constexpr const char* greeting_name = "tidemark-commands";
inline constexpr const char* greeting = "1";

}  // namespace manager
