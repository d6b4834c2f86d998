#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "manager/command_handler.h"
#include "manager/command_messages.h"
#include "manager/peer_security.h"

namespace manager {

/// Commands that one other process carries out (command_server.h is there). Keeps a stream to it
/// and opens it again by itself when it was lost:
///
///       ┌───────────────────────────── pause ─────────────────────────────┐
///       ▼                                                                  │
///   connecting: commands wait ──► connected: they are sent ──► lost ──► down: they are refused
///       └────────────────────────────── failed, or took too long ─────────▲
///
/// Every command is answered exactly once, whatever happens to the peer, and an error says whether
/// the command may have been carried out:
///  - outcome_unknown: it was sent, and no answer came in time or before the stream was lost;
///  - no_owner: it was surely not sent, or to a peer that stopped and says that it did not try it;
///    another process may be asked;
///  - overloaded: too much waits for this peer, or an earlier command of its sequence was refused;
///  - whatever the peer answered, as it answered it.
/// `submit` may be called on any thread and never blocks; `done` is called on this object's own
/// thread, never within `submit`, and must not block. A command that is answered with an error
/// refuses its sequence from there on, as the handler does.
class RemoteCommands final : public Commands {
 public:
  struct Options {
    std::string address;  // host:port
    PeerSecurityPtr security;
    /// How far this process has read what callers are authenticated by; asked at every submit.
    std::function<std::vector<SeenPosition>(schemas::OrganizationId)> seen;
    std::chrono::milliseconds timeout{10'000};  // of a command
    std::chrono::milliseconds connecting_max{1000};
    /// A peer that does not even answer pings for so long is lost.
    std::chrono::milliseconds silence_max{4000};
    std::chrono::milliseconds pause{100};  // before the first attempt after a failure, then doubled
    std::chrono::milliseconds pause_max{1000};
    std::size_t waiting_max = 10'000;  // sent or not
    std::size_t waiting_bytes_max = std::size_t{64} << 20;
  };

  explicit RemoteCommands(Options options);
  /// Answers everything that waits. Nothing may be submitted any more.
  ~RemoteCommands() override;

  void submit(CommandContext context, Command command, Done done) override;
  std::optional<schemas::Error> overloaded(schemas::OrganizationId organization) override;
  bool connected() const;

 private:
  class Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace manager
