#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <libpq-fe.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench::peers {

/// Appends and reads of events in PostgreSQL over some connections, each in libpq's pipeline mode,
/// so that no connection waits for a round trip. One thread, which polls the sockets; `done` is
/// called on it. Every append is a transaction and is answered after its commit.
class PostgresStore {
 public:
  enum class Kind : std::uint8_t {
    table,       // event_table.sql, an INSERT each
    grouped,     // the same; single events that wait for a connection become one INSERT
    message_db,  // the functions of @eventide/message-db
  };
  struct Options {
    Kind kind = Kind::table;
    std::string database;  // a libpq connection string
    std::size_t backends = 16;
    unsigned categories = 1;  // of message_db, whose writers lock their category
  };
  struct Event {
    std::string_view type, data;
  };
  struct Append {
    std::string entity;
    std::optional<std::int64_t> expected;  // version; none: any
    std::string body;                      // what the events point into
    std::vector<Event> events;
  };
  enum class Outcome : std::uint8_t { stored, conflict, failed };
  using Appended = std::function<void(Outcome)>;
  /// The page as JSON lines in an array.
  using Read = std::function<void(std::string)>;

  explicit PostgresStore(Options options);
  ~PostgresStore();
  PostgresStore(const PostgresStore&) = delete;
  PostgresStore& operator=(const PostgresStore&) = delete;

  std::vector<int> sockets() const;
  /// To be called when socket number `index` can be read.
  void readable(std::size_t index);
  /// Hands what was queued to the connections; after each round of polling.
  void flush();

  void append(Append append, Appended done);
  void read(std::int64_t after, int limit, Read done);

 private:
  /// One transaction on a connection, until the server's answer to its end is here.
  struct Transaction {
    std::vector<Appended> appended;
    std::vector<std::string> keys;  // entity:version of each, in a group
    Read read;
    std::string page;
    Outcome outcome = Outcome::stored;
    std::string stored;  // keys that a group's INSERT returned
  };
  struct Backend {
    PGconn* connection;
    std::deque<Transaction> waiting;
  };
  struct Queued {
    Append append;
    Appended done;
  };
  class Parameters;

  void prepare(PGconn* connection) const;
  Backend& least_busy();
  void send(Backend& backend, const char* statement, const Parameters& parameters);
  void end(Backend& backend, Transaction transaction);
  void insert(Backend& backend, const Append& append);
  void write_messages(Backend& backend, const Append& append);
  void insert_group(Backend& backend);
  void take(Transaction& transaction, const PGresult* result) const;
  static void finish(Transaction transaction);

  const Options options_;
  std::vector<Backend> backends_;
  std::deque<Queued> queue_;  // of groups
};

}  // namespace bench::peers
