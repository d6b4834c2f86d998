#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace webhooks {

/// Reads a stream of Server-Sent Events (WHATWG HTML, 9.2.6 "Interpreting an event stream") piece
/// by piece. `retry` and comments are passed over.
class EventSource {
 public:
  struct Event {
    std::string name;  // empty: a message
    std::string data;
    std::string id;  // the last that was named, here or before
  };
  /// False: no more of this piece.
  using Take = std::function<bool(const Event&)>;

  /// Tells of the events that are whole now, and keeps the rest. False when `take` said so: what
  /// is behind is lost.
  bool feed(std::string_view piece, const Take& take);

 private:
  bool end_line(const Take& take);

  std::string line_;
  bool after_return_ = false;  // a line feed behind a carriage return is no second line end
  bool has_data_ = false;
  Event event_;
};

}  // namespace webhooks
