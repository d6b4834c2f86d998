#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/resources/feed.h"

namespace api::resources {

/// A piece of an event stream, rendered: what follows one place, and the place behind it.
struct Chunk {
  std::string text;
  Passed after;
  /// Where each event ends in the text, and its position.
  struct Stop {
    std::size_t end;
    MarkedPosition position;
    std::size_t hash;  // of its text, when it is larger than a piece; else 0
  };
  std::vector<Stop> stops;
  /// `reached`: nothing more was there when `generation` groups had been applied (StreamHub).
  Feed::End end = Feed::End::reached;
  std::uint64_t generation = 0;
};

/// The chunks that streams read last. Many streams of one organization stand at the same place and
/// want the same events, so what one of them has read and rendered is sent to the others as it is.
/// What follows a place never changes, so nothing here grows old; only chunks with events are kept.
///
/// Any thread; the lock is held for a look-up.
class ChunkCache {
 public:
  struct Key {
    MarkOwner scope;
    std::vector<std::string> types;
    std::string where;  // the source of the condition, if there is one
    Passed before;
  };

  std::shared_ptr<const Chunk> find(const Key& key) const;
  void put(Key key, std::shared_ptr<const Chunk> chunk);

 private:
  static constexpr std::size_t entries_max = 16;
  static constexpr std::size_t text_bytes_max = std::size_t{8} << 20;  // of all
  struct Entry {
    Key key;
    std::shared_ptr<const Chunk> chunk;  // shared with the streams that are sending it
  };

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // the oldest first
  std::size_t text_bytes_ = 0;
};

}  // namespace api::resources
