#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/cli/input.h"
#include "api/cli/mapping.h"
#include "api/cli/remote.h"
#include "api/cli/resume_file.h"
#include "eventstore/clock.h"

namespace api::cli {

/// What an import has come to.
struct Imported {
  std::uint64_t lines = 0;  // of the input, those of an earlier import and empty ones included
  std::uint64_t records = 0;
  std::uint64_t events = 0;
  std::uint64_t replayed_events = 0;  // of those, what an earlier import had brought
  ResumeFile::Note confirmed;
};

/// Sends an input's lines by the bulk route, each as one batch, and reads their confirmations while
/// it goes on sending:
///
///     input ─▶ mapping ─▶ pending: confirmed │ sent … sent │ not sent yet
///                                  ◀─ front    ack k is of the front    back ─▶
///
/// Promises: a line counts as imported only when the server said that it is durable. A connection
/// that is lost is opened again and what was not confirmed is sent again, with the same idempotency
/// keys, in order, as long as the server confirms something every `patience`. At most
/// `pending_bytes_max` are under way. Runs on the context of the coroutine that awaits it, on one
/// thread.
class ImportSession {
 public:
  struct Options {
    Remote remote;
    std::string input_name;
    std::chrono::seconds patience{30};
    ResumeFile::Note resume;
    std::function<void(const Imported&, std::optional<double> fraction)> on_confirmed;
  };

  ImportSession(boost::asio::any_io_executor executor, Options options, LineInput& input,
                const Mapping& mapping);

  awaitable<Step<void>> run();
  const Imported& imported() const { return imported_; }

 private:
  struct Pending {
    ResumeFile::Note note;
    std::uint32_t events;
    std::optional<double> fraction;
    std::string batch;
  };
  /// How one connection ended: nothing was left to do; it was lost and may be tried again; or there
  /// is no use in going on.
  enum class Ended : std::uint8_t { complete, lost, stopped };

  awaitable<Ended> attempt();
  awaitable<Ended> exchange(webhooks::HttpConnection& connection);
  awaitable<void> send_all(webhooks::HttpConnection& connection);
  awaitable<bool> send_pending(webhooks::HttpConnection& connection);
  awaitable<void> wait_for_input();
  awaitable<Ended> read_confirmations(webhooks::HttpConnection& connection);

  bool input_done() const { return input_fault_ || (input_dry_ && input_.ended()); }
  void take_lines();
  void take_line(const LineInput::Line& line);
  std::optional<Ended> take_answer(std::string_view bytes);
  std::optional<Ended> confirm(std::string_view line);
  Ended refused(schemas::json::Value problem, std::string_view what);
  Ended lost(std::string message);
  Ended stopped(Exit exit, std::string message);

  Options options_;
  LineInput& input_;
  const Mapping& mapping_;
  Imported imported_;
  std::deque<Pending> pending_;
  std::size_t pending_bytes_ = 0;
  std::optional<Stop> input_fault_;  // told once everything before it is confirmed
  std::optional<Stop> stop_;
  std::string lost_why_;
  bool input_dry_ = false;  // no whole line was left when it was looked at last
  bool reached_ = false;    // the server, ever
  eventstore::MonotonicTime last_progress_;

  // Of one connection.
  std::size_t sent_ = 0;        // of pending_, from its front
  std::uint64_t answered_ = 0;  // lines of the request
  bool ending_ = false;         // the answer has ended: nothing more is to be sent
  std::string half_line_;
  boost::asio::steady_timer room_;
  std::optional<boost::asio::posix::stream_descriptor> waiting_;
};

}  // namespace api::cli
