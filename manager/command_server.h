#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "manager/command_handler.h"
#include "manager/peer_security.h"

namespace manager {

/// Serves the commands of other processes of the cluster (remote_commands.h is the other end). Each
/// of them has one stream open:
///
///     questions ─► a thread of gRPC's: waits until our rows are where the asker's were, submits
///                                                    │ in the order of the stream
///     answers ◄── the stream's own thread ◄── queue ◄┴─ done, on the core thread
///
/// Commands of one sequence share one Sequence here too, until the asker says that it is over or
/// the stream ends. Bounded: of a stream with too much unanswered or unwritten nothing more is
/// read. A message that is malformed ends its stream and nothing else. What was submitted is
/// carried out whether or not the asker is still there.
class CommandServer {
 public:
  /// Calls `reached` once our rows hold what is below `end`: at once (false is answered) or later.
  using Wait = std::function<bool(schemas::LogId log, schemas::Offset end,
                                  projections::Progress::Reached reached)>;
  struct Options {
    std::string host;
    std::uint16_t port = 0;  // 0: the system chooses
    PeerSecurityPtr security;
    Wait wait;
    /// How long commands wait for our rows; once they stand still for that long they are refused
    /// at once, until the rows go on.
    std::chrono::milliseconds wait_max{2000};
    std::size_t unanswered_max = 10'000;  // of a stream
    std::size_t unanswered_bytes_max = std::size_t{64} << 20;
    /// How long a server that stops waits for the answers of what it took.
    std::chrono::milliseconds stop_within{1000};
  };

  /// `local` must outlive the server and everything submitted to it.
  static schemas::Result<std::unique_ptr<CommandServer>> start(Options options, Commands& local);
  /// Takes nothing more, answers what was taken, tells the askers where it ended: what it had not
  /// taken they may ask elsewhere. What is not answered in time goes on without being answered.
  ~CommandServer();

  std::uint16_t port() const;

 private:
  class Service;
  struct Serving;
  explicit CommandServer(std::unique_ptr<Serving> serving);
  std::unique_ptr<Serving> serving_;
};

}  // namespace manager
