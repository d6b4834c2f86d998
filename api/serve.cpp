#include "api/serve.h"

#include <csignal>
#include <future>
#include <thread>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "api/bootstrap.h"
#include "api/data_directory.h"
#include "api/resources/dispatch.h"
#include "api/resources/metrics.h"
#include "api/resources/routes.h"
#include "api/resources/stream_hub.h"
#include "api/services.h"
#include "api/version.h"
#include "manager/core.h"

namespace api {
namespace {

using schemas::ErrorCode;
using schemas::Result;

std::string process_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}:{}", host, ::getpid());
}

/// The thread that decides, folds and applies. Everything else only posts to it.
class CoreThread {
 public:
  CoreThread()
      : work_(context_.get_executor()), ticks_(context_), thread_([this] { context_.run(); }) {}
  ~CoreThread() { join(); }
  boost::asio::any_io_executor executor() { return context_.get_executor(); }

  /// Runs `start` on the core thread and waits until it calls its argument.
  Result<void> wait_for(std::function<void(std::function<void(Result<void>)>)> start) {
    std::promise<Result<void>> promise;
    boost::asio::post(context_, [&] {
      start([&promise](Result<void> done) { promise.set_value(std::move(done)); });
    });
    return promise.get_future().get();
  }
  /// Calls `tick` on the core thread about every second until join().
  void every_second(std::function<void()> tick) {
    boost::asio::post(context_, [this, tick = std::move(tick)]() mutable {
      if (stopping_) return;
      ticks_.expires_after(std::chrono::seconds{1});
      ticks_.async_wait(
          [this, tick = std::move(tick)](boost::system::error_code cancelled) mutable {
            if (cancelled) return;
            tick();
            every_second(std::move(tick));
          });
    });
  }
  /// Ends when nothing is left to do.
  void join() {
    boost::asio::post(context_, [this] {
      stopping_ = true;
      ticks_.cancel();
    });
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer ticks_;
  bool stopping_ = false;  // core thread
  std::thread thread_;
};

/// Everything that one process consists of, in the order in which it is built up and taken down.
class Process {
 public:
  explicit Process(const Settings& options) : options_(options) {}
  ~Process() { stop(); }

  Result<void> open();
  Result<void> start();
  void print_welcome() const;

 private:
  void stop();
  Result<void> open_log();
  Result<void> catch_up();
  Result<void> listen();
  Result<void> found();
  Result<void> bootstrap();
  void register_gauges();
  Readiness readiness() const;
  void applied(const std::vector<eventstore::StoredRecord>& group);

  const Settings& options_;
  std::optional<DataDirectory> directory_;
  std::optional<eventstore::Keyring> keyring_;
  std::optional<eventstore::Nonces> nonces_;
  std::optional<schemas::MarkCodec> marks_;
  std::optional<schemas::CursorCodec> cursors_;
  std::unique_ptr<projections::ReadStore> rows_;
  CoreThread core_thread_;
  std::unique_ptr<manager::Core> core_;
  std::unique_ptr<eventstore::Journal> log_;
  boost::asio::thread_pool scans_{2};
  std::unique_ptr<resources::Metrics> metrics_;
  std::unique_ptr<resources::StreamHub> streams_;
  std::optional<Services> services_;
  std::unique_ptr<http::Router> router_;
  std::unique_ptr<http::Server> server_;
  std::optional<BootstrapKey> key_to_show_;
};

Result<void> Process::open() {
  auto directory =
      DataDirectory::open(eventstore::posix_files(), options_.data, DataDirectory::Missing::create);
  if (!directory) return std::unexpected(std::move(directory).error());
  directory_.emplace(std::move(*directory));
  auto keyring = directory_->open_keyring(options_.root_key);
  if (!keyring) return std::unexpected(std::move(keyring).error());
  keyring_.emplace(std::move(*keyring));
  if (keyring_->root_key_made()) {
    spdlog::info("root key made path={} keep a copy of it apart from backups",
                 *keyring_->root_key_made());
  }
  auto nonces = directory_->open_nonces();
  if (!nonces) return std::unexpected(std::move(nonces).error());
  nonces_.emplace(std::move(*nonces));
  marks_.emplace(keyring_->mark_key().id, keyring_->mark_key().key);
  cursors_.emplace(keyring_->mark_key().id, keyring_->mark_key().key);
  metrics_ = std::make_unique<resources::Metrics>(resources::operations());
  streams_ = std::make_unique<resources::StreamHub>();
  auto rows = directory_->open_rows();
  if (!rows) return std::unexpected(std::move(rows).error());
  rows_ = std::move(*rows);
  return open_log();
}

Result<void> Process::open_log() {
  core_ = std::make_unique<manager::Core>(manager::Core::Options{
      .executor = core_thread_.executor(),
      .clock = eventstore::system_clock(),
      .nonce = [this](auto log, const auto& epoch) { return nonces_->nonce(log, epoch); },
      .process = process_name(),
      .rows = *rows_,
      .on_applied = [this](const auto& group) { applied(group); }});
  auto log = directory_->open_journal(core_->observer());
  if (!log) return std::unexpected(std::move(log).error());
  log_ = std::move(*log);
  for (const auto& damage : log_->opening().damages) {
    spdlog::critical("journal damaged, read-only positions={}", to_text(damage.range));
  }
  if (const auto& cut = log_->opening().cut) {
    const auto* what = cut->waits ? "torn tail waits for space to be kept" : "torn tail cut off";
    spdlog::warn("{} position={} bytes={} kept_in={}", what, cut->position, cut->size_bytes,
                 cut->kept_in);
  }
  core_->attach(*log_);
  return {};
}

Result<void> Process::start() {
  auto caught_up = catch_up();
  if (!caught_up) return caught_up;
  // The port first: whoever does not get it leaves the log as it is.
  auto listening = listen();
  if (!listening) return listening;
  auto founded = found();
  if (!founded) return founded;
  auto bootstrapped = bootstrap();
  if (!bootstrapped) return bootstrapped;
  core_thread_.every_second([this] { core_->tick(); });
  server_->start();
  return {};
}

/// Takes the port; nobody is answered yet.
Result<void> Process::listen() {
  register_gauges();
  services_.emplace(Services{.commands = core_->commands(),
                             .rows = *rows_,
                             .progress = core_->progress(),
                             .log = *log_,
                             .topics = core_->topics(),
                             .marks = *marks_,
                             .cursors = *cursors_,
                             .hmac = keyring_->hmac_key().key,
                             .clock = eventstore::system_clock(),
                             .scans = scans_,
                             .streams = *streams_,
                             .metrics = *metrics_,
                             .readiness = [this] { return readiness(); },
                             .version = version});
  router_ = std::make_unique<http::Router>(resources::http_routes(resources::operations()));
  http::Options http{.listen = options_.listen,
                     .threads = options_.threads,
                     .deadlines = options_.deadlines,
                     .limits = {.connections = options_.connections_max},
                     .on_answer = {}};
  http.on_answer = [this](const http::Answered& answered) { metrics_->answered(answered); };
  try {
    server_ = std::make_unique<http::Server>(
        http, *router_, resources::make_handler(*services_, resources::operations()));
  } catch (const std::runtime_error& failure) {
    return fail(ErrorCode::internal,
                fmt::format("{}; choose another address with --listen", failure.what()));
  }
  return {};
}

Result<void> Process::catch_up() {
  auto done = core_->catch_up();
  if (!done) return std::unexpected(std::move(done).error());
  if (done->records > 0) {
    spdlog::info("rows caught up records={} events={}", done->records, done->events);
  }
  if (auto full = rows_->broken()) {
    spdlog::critical("rows are held in memory, writes wait for space detail=\"{}\"", full->detail);
  }
  return {};
}

Result<void> Process::found() {
  if (core_->founded()) return {};
  return core_thread_.wait_for(
      [this](auto done) { core_->found(options_.partitions, std::move(done)); });
}

/// A log without any platform key gets its first one. Whoever is to see it sees it before it can be
/// in the log: a start that ends in between shows another one.
Result<void> Process::bootstrap() {
  auto identity = *core_->topics().find(eventstore::identity_product);
  projections::Reader reader(*rows_, schemas::platform_organization, schemas::Space::live);
  if (!reader.list(identity, projections::Key::kind, true, {.limit = 1}).rows.empty()) return {};
  auto key = bootstrap_key(options_);
  if (!key) return std::unexpected(std::move(key).error());
  if (key->show) {
    fmt::print("Platform key (shown only this once; keep it safe):\n  {}\n\n", key->text.reveal());
    std::fflush(stdout);
  }
  auto written = core_thread_.wait_for([&](auto done) {
    manager::CommandContext context{.organization = schemas::platform_organization,
                                    .actor = {},
                                    .rights = {},
                                    .correlation = "bootstrap",
                                    .traceparent = {},
                                    .idempotency = {},
                                    .if_match = {},
                                    .sequence = {}};
    core_->commands().submit(
        std::move(context), create_platform_key(*key), [done](Result<manager::Outcome> outcome) {
          done(outcome ? Result<void>() : std::unexpected(std::move(outcome).error()));
        });
  });
  if (!written) return written;
  if (key->show) key_to_show_.emplace(std::move(*key));
  return {};
}

Readiness Process::readiness() const {
  Readiness readiness;
  if (auto error = log_->read_only()) readiness.reasons.push_back(error->detail);
  if (auto error = rows_->broken()) readiness.reasons.push_back(error->detail);
  for (const auto& frozen : core_->progress().frozen()) {
    readiness.frozen.push_back({frozen.scope.organization, frozen.scope.space,
                                core_->topics().name(frozen.scope.topic), frozen.reason});
  }
  return readiness;
}

/// Numbers that are read when a scrape comes.
void Process::register_gauges() {
  auto number = [](auto value) { return static_cast<double>(value); };
  metrics_->gauge("tidemark_connections", "Open connections.",
                  [=, this] { return number(server_->gauges().connections); });
  metrics_->gauge("tidemark_requests_in_flight", "Requests being answered.",
                  [=, this] { return number(server_->gauges().requests_in_flight); });
  metrics_->gauge("tidemark_streams", "Open event streams.",
                  [=, this] { return number(streams_->count()); });
  metrics_->gauge("tidemark_journal_bytes", "Bytes of journal that are durable.",
                  [=, this] { return number(log_->durable_position()); });
  metrics_->gauge("tidemark_frozen_products", "Products of organizations that stand still.",
                  [=, this] { return number(core_->progress().frozen().size()); });
  auto per_topic = [this](auto&& count) {
    std::map<std::string, double> sums;
    for (auto log : log_->partitions()) {
      auto name = core_->topics().name(log.topic);
      sums[name.empty() ? "log" : name] += static_cast<double>(count(log));
    }
    std::vector<resources::Metrics::Labeled> labeled;
    for (auto& [topic, sum] : sums) labeled.push_back({topic, sum});
    return labeled;
  };
  metrics_->gauges(
      "tidemark_log_records", "Durable records of a topic, all partitions.", "topic",
      [=, this] { return per_topic([this](auto log) { return log_->durable_end(log); }); });
  metrics_->gauges("tidemark_projection_lag_records", "Durable records that the rows have not.",
                   "topic", [=, this] {
                     return per_topic([this](auto log) {
                       auto end = log_->durable_end(log);
                       return end - std::min(end, core_->progress().applied_end(log));
                     });
                   });
}

/// Core thread: a group is durable and in the rows.
void Process::applied(const std::vector<eventstore::StoredRecord>& group) {
  streams_->applied(group);
  std::size_t records = 0;
  auto oldest = eventstore::system_clock().wall();
  for (const auto& record : group) {
    if (record.head.kind != eventstore::RecordKind::events) continue;
    ++records;
    oldest = std::min(oldest, schemas::BatchView::trusted(record.payload.bytes()).recorded());
  }
  if (records > 0) metrics_->committed(records, eventstore::system_clock().wall() - oldest);
}

void Process::print_welcome() const {
  const auto& host = options_.listen.host;
  const bool bare_v6 = host.contains(':') && !host.starts_with('[');
  auto url = fmt::format("http://{}:{}", bare_v6 ? '[' + host + ']' : host, server_->port());
  fmt::print("Tidemark {} listens on {}, data in {}\n", version, url, options_.data);
  auto key = key_to_show_ ? std::string(key_to_show_->text.reveal()) : "<platform key>";
  fmt::print(
      "\nTry it:\n"
      "  export TIDEMARK_KEY={1}\n"
      "  curl -s {0}/v2/organizations -H \"Authorization: Bearer $TIDEMARK_KEY\" "
      "-d '{{\"name\":\"Acme\",\"slug\":\"acme\"}}' -H 'Content-Type: application/json'\n"
      "  curl -s {0}/v2/organizations -H \"Authorization: Bearer $TIDEMARK_KEY\"\n"
      "  open {0}/docs\n",
      url, key);
  std::fflush(stdout);
}

/// Accept nothing more, finish requests, drain the writer, store what is folded, close.
void Process::stop() {
  if (server_) server_->stop();
  scans_.join();
  if (streams_) streams_->close();
  if (log_) log_->close();
  core_thread_.join();
  if (rows_) (void)rows_->flush();
}

Result<void> run(const Settings& options) {
  Process process(options);
  auto opened = process.open();
  auto started = opened ? process.start() : opened;
  if (!started) return started;
  // Until here a signal ends the process at once, which loses nothing.
  boost::asio::io_context context;
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([](auto, int signal) { spdlog::info("stopping signal={}", signal); });
  process.print_welcome();
  context.run();
  return {};
}

/// Holds the directory's lock only meanwhile: the process that folds them anew takes it again.
Result<void> destroy_rows(const Settings& options) {
  auto directory =
      DataDirectory::open(eventstore::posix_files(), options.data, DataDirectory::Missing::refuse);
  return directory ? directory->destroy_rows() : std::unexpected(std::move(directory).error());
}

}  // namespace

Result<void> serve(const Settings& options) {
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may go away
  auto ran = run(options);
  if (!ran && ran.error().code == ErrorCode::lost_mark) {
    spdlog::warn("the rows are not of this log: folding them anew");
    auto destroyed = destroy_rows(options);
    if (!destroyed) return destroyed;
    ran = run(options);
  }
  if (ran) spdlog::info("stopped");
  return ran;
}

}  // namespace api
