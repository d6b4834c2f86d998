#include "bench/peers/postgres_store.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

namespace bench::peers {
namespace {

constexpr std::size_t group_max = 256;

// Numbers of PostgreSQL's types in pg_type.dat.
constexpr Oid int8_type = 20, text_type = 25, jsonb_type = 3802;

void put(std::string& out, std::int32_t value) {
  const auto bytes = std::byteswap(static_cast<std::uint32_t>(value));
  out.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}
void put(std::string& out, std::int64_t value) {
  const auto bytes = std::byteswap(static_cast<std::uint64_t>(value));
  out.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

/// An array in PostgreSQL's binary form (array_recv): dimensions, nulls, type, length, lower bound.
class Array {
 public:
  Array(Oid type, std::size_t count) : type_(type) {
    put(bytes_, std::int32_t{1});
    put(bytes_, std::int32_t{0});
    put(bytes_, static_cast<std::int32_t>(type));
    put(bytes_, static_cast<std::int32_t>(count));
    put(bytes_, std::int32_t{1});
  }
  void add(std::string_view text) {
    const bool json = type_ == jsonb_type;  // jsonb_recv: a version byte, then text
    put(bytes_, static_cast<std::int32_t>(text.size() + (json ? 1 : 0)));
    if (json) bytes_ += '\1';
    bytes_ += text;
  }
  void add(std::int64_t value) {
    put(bytes_, std::int32_t{8});
    put(bytes_, value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  Oid type_;
  std::string bytes_;
};

std::string json_of(std::string_view text) {
  return std::string(1, '\1').append(text);
}
std::string int8_of(std::int64_t value) {
  std::string bytes;
  put(bytes, value);
  return bytes;
}

void check(PGconn* connection, PGresult* result) {
  const auto status = PQresultStatus(result);
  PQclear(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(PQerrorMessage(connection));
  }
}

void append_page(std::string& page, const PGresult* result) {
  for (int row = 0; row < PQntuples(result); ++row) {
    const auto text = [&](int column) { return PQgetvalue(result, row, column); };
    fmt::format_to(
        std::back_inserter(page),
        R"({}{{"position":{},"entity":"{}","version":{},"type":"{}","recorded":"{}","data":{}}})",
        page.empty() ? "[" : ",\n", text(0), text(1), text(2), text(3), text(4), text(5));
  }
  page += page.empty() ? "[]" : "]";
}

}  // namespace

/// Values of a prepared statement, all in binary form.
class PostgresStore::Parameters {
 public:
  void add(std::string value) { values_.push_back(std::move(value)); }
  void send(PGconn* connection, const char* statement) const {
    std::vector<const char*> pointers;
    std::vector<int> lengths, formats(values_.size(), 1);
    for (const auto& value : values_) {
      pointers.push_back(value.data());
      lengths.push_back(static_cast<int>(value.size()));
    }
    if (!PQsendQueryPrepared(connection, statement, static_cast<int>(values_.size()),
                             pointers.data(), lengths.data(), formats.data(), 0)) {
      throw std::runtime_error(PQerrorMessage(connection));
    }
  }

 private:
  std::vector<std::string> values_;
};

PostgresStore::PostgresStore(Options options) : options_(std::move(options)) {
  for (std::size_t i = 0; i < options_.backends; ++i) {
    auto* connection = PQconnectdb(options_.database.c_str());
    if (PQstatus(connection) != CONNECTION_OK) {
      throw std::runtime_error(PQerrorMessage(connection));
    }
    backends_.push_back({connection, {}});
    prepare(connection);
    PQsetnonblocking(connection, 1);
    if (!PQenterPipelineMode(connection)) throw std::runtime_error("no pipeline mode");
  }
}

PostgresStore::~PostgresStore() {
  for (auto& backend : backends_) PQfinish(backend.connection);
}

void PostgresStore::prepare(PGconn* connection) const {
  const auto statement = [&](const char* name, const char* text) {
    check(connection, PQprepare(connection, name, text, 0, nullptr));
  };
  if (options_.kind == Kind::message_db) {
    check(connection, PQexec(connection, "SET search_path = message_store, public"));
    statement("write",
              "SELECT write_message(gen_random_uuid()::varchar, $1::varchar, $2::varchar, "
              "$3::jsonb, NULL, $4::bigint)");
    statement("write any",
              "SELECT write_message(gen_random_uuid()::varchar, $1::varchar, $2::varchar, "
              "$3::jsonb)");
    statement("read",
              "SELECT global_position, stream_name, position, type, time, data "
              "FROM get_category_messages('item', $1::bigint + 1, $2::bigint)");
    return;
  }
  statement("insert",
            "INSERT INTO events (entity, version, type, data) VALUES ($1::text, $2::bigint, "
            "$3::text, $4::jsonb)");
  statement("insert many",
            "INSERT INTO events (entity, version, type, data) SELECT $1::text, $2::bigint + n - 1, "
            "type, data FROM unnest($3::text[], $4::jsonb[]) WITH ORDINALITY AS e (type, data, n)");
  statement("insert group",
            "INSERT INTO events (entity, version, type, data) SELECT * FROM unnest($1::text[], "
            "$2::bigint[], $3::text[], $4::jsonb[]) ON CONFLICT DO NOTHING "
            "RETURNING entity || ':' || version");
  statement("lock", "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))");
  statement(
      "insert any",
      "INSERT INTO events (entity, version, type, data) SELECT $1::text, "
      "coalesce((SELECT max(version) FROM events WHERE entity = $1::text), 0) + n, type, data "
      "FROM unnest($2::text[], $3::jsonb[]) WITH ORDINALITY AS e (type, data, n)");
  statement("read",
            "SELECT position, entity, version, type, recorded, data FROM events "
            "WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint");
}

std::vector<int> PostgresStore::sockets() const {
  std::vector<int> sockets;
  for (const auto& backend : backends_) sockets.push_back(PQsocket(backend.connection));
  return sockets;
}

PostgresStore::Backend& PostgresStore::least_busy() {
  return *std::ranges::min_element(backends_, {},
                                   [](const Backend& b) { return b.waiting.size(); });
}

void PostgresStore::send(Backend& backend, const char* statement, const Parameters& parameters) {
  parameters.send(backend.connection, statement);
}

/// A sync ends the implicit transaction of everything sent since the last one, and commits it.
void PostgresStore::end(Backend& backend, Transaction transaction) {
  if (!PQpipelineSync(backend.connection)) throw std::runtime_error("no sync");
  backend.waiting.push_back(std::move(transaction));
}

void PostgresStore::append(Append append, Appended done) {
  if (options_.kind == Kind::grouped && append.expected && append.events.size() == 1) {
    queue_.push_back({std::move(append), std::move(done)});
    return;
  }
  auto& backend = least_busy();
  if (options_.kind == Kind::message_db) {
    write_messages(backend, append);
  } else {
    insert(backend, append);
  }
  Transaction transaction;
  transaction.appended.push_back(std::move(done));
  end(backend, std::move(transaction));
}

void PostgresStore::insert(Backend& backend, const Append& append) {
  Parameters parameters;
  parameters.add(append.entity);
  if (append.expected && append.events.size() == 1) {
    parameters.add(int8_of(*append.expected + 1));
    parameters.add(std::string(append.events[0].type));
    parameters.add(json_of(append.events[0].data));
    return send(backend, "insert", parameters);
  }
  if (append.expected) {
    parameters.add(int8_of(*append.expected + 1));
  } else {
    Parameters entity;
    entity.add(append.entity);
    send(backend, "lock", entity);
  }
  Array types(text_type, append.events.size()), data(jsonb_type, append.events.size());
  for (const auto& event : append.events) {
    types.add(event.type);
    data.add(event.data);
  }
  parameters.add(types.take());
  parameters.add(data.take());
  send(backend, append.expected ? "insert many" : "insert any", parameters);
}

void PostgresStore::write_messages(Backend& backend, const Append& append) {
  const auto category = std::hash<std::string>{}(append.entity) % options_.categories;
  const auto stream =
      category == 0 ? "item-" + append.entity : fmt::format("item{}-{}", category, append.entity);
  auto version = append.expected.value_or(0) - 1;  // positions begin at 0 there
  for (const auto& event : append.events) {
    Parameters parameters;
    parameters.add(stream);
    parameters.add(std::string(event.type));
    parameters.add(json_of(event.data));
    if (append.expected) parameters.add(int8_of(version++));
    send(backend, append.expected ? "write" : "write any", parameters);
  }
}

void PostgresStore::insert_group(Backend& backend) {
  const auto count = std::min(queue_.size(), group_max);
  Array entities(text_type, count), versions(int8_type, count), types(text_type, count),
      data(jsonb_type, count);
  Transaction transaction;
  for (std::size_t i = 0; i < count; ++i) {
    auto [append, done] = std::move(queue_.front());
    queue_.pop_front();
    entities.add(append.entity);
    versions.add(*append.expected + 1);
    types.add(append.events[0].type);
    data.add(append.events[0].data);
    transaction.appended.push_back(std::move(done));
    transaction.keys.push_back(fmt::format("\n{}:{}\n", append.entity, *append.expected + 1));
  }
  Parameters parameters;
  for (auto* array : {&entities, &versions, &types, &data}) parameters.add(array->take());
  send(backend, "insert group", parameters);
  end(backend, std::move(transaction));
}

void PostgresStore::read(std::int64_t after, int limit, Read done) {
  auto& backend = least_busy();
  Parameters parameters;
  parameters.add(int8_of(after));
  parameters.add(int8_of(limit));
  send(backend, "read", parameters);
  Transaction transaction;
  transaction.read = std::move(done);
  end(backend, std::move(transaction));
}

void PostgresStore::flush() {
  for (auto& backend : backends_) {
    if (queue_.empty()) break;
    if (backend.waiting.empty()) insert_group(backend);
  }
  for (auto& backend : backends_) PQflush(backend.connection);
}

void PostgresStore::take(Transaction& transaction, const PGresult* result) const {
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
      if (transaction.read) append_page(transaction.page, result);
      if (transaction.keys.empty()) break;
      for (int row = 0; row < PQntuples(result); ++row) {
        ((transaction.stored += '\n') += PQgetvalue(result, row, 0)) += '\n';
      }
      break;
    case PGRES_FATAL_ERROR: {
      // A duplicate key, or what write_message raises for a wrong version.
      const std::string_view message = PQresultErrorMessage(result);
      const bool conflict = message.contains("duplicate key") || message.contains("Wrong expected");
      transaction.outcome = conflict ? Outcome::conflict : Outcome::failed;
      if (!conflict) fmt::print(stderr, "{}", message);
      break;
    }
    default:
      break;
  }
}

void PostgresStore::finish(Transaction transaction) {
  if (transaction.read) return transaction.read(std::move(transaction.page));
  for (std::size_t i = 0; i < transaction.appended.size(); ++i) {
    auto outcome = transaction.outcome;
    if (outcome == Outcome::stored && !transaction.keys.empty() &&
        !transaction.stored.contains(transaction.keys[i])) {
      outcome = Outcome::conflict;
    }
    transaction.appended[i](outcome);
  }
}

void PostgresStore::readable(std::size_t index) {
  auto& backend = backends_[index];
  if (!PQconsumeInput(backend.connection)) {
    throw std::runtime_error(PQerrorMessage(backend.connection));
  }
  while (!backend.waiting.empty() && !PQisBusy(backend.connection)) {
    auto* result = PQgetResult(backend.connection);
    if (result == nullptr) continue;  // between two statements
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
      auto transaction = std::move(backend.waiting.front());
      backend.waiting.pop_front();
      finish(std::move(transaction));
    } else {
      take(backend.waiting.front(), result);
    }
    PQclear(result);
  }
}

}  // namespace bench::peers
