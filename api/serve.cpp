#include "api/serve.h"

#include <csignal>
#include <future>
#include <random>
#include <thread>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "api/bootstrap.h"
#include "api/cluster_node.h"
#include "api/data_directory.h"
#include "api/kafka_settings.h"
#include "api/outgoing.h"
#include "api/resources/dispatch.h"
#include "api/resources/metrics.h"
#include "api/resources/pipeline_run.h"
#include "api/resources/routes.h"
#include "api/resources/sealed_fields.h"
#include "api/resources/stream_hub.h"
#include "api/rows_takeover.h"
#include "api/services.h"
#include "api/version.h"
#include "api/welcome.h"
#include "eventstore/kafka_keyring.h"
#include "eventstore/kafka_log.h"
#include "manager/core.h"

namespace api {
namespace {

using schemas::ErrorCode;
using schemas::Result;

constexpr int founding_attempts = 100;
/// How often partitions are moved and what is owned is told.
constexpr std::chrono::milliseconds cluster_period{200};
/// How long a process that ends waits until its partitions are let go of.
constexpr std::chrono::seconds leave_within{3};

bool is_for_another(const Result<void>& done) {
  return !done &&
         (done.error().code == ErrorCode::no_owner || done.error().code == ErrorCode::not_owner);
}

std::string process_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}:{}", host, ::getpid());
}

/// The thread that decides, folds and applies. Everything else only posts to it.
class CoreThread {
 public:
  CoreThread() : work_(context_.get_executor()), thread_([this] { context_.run(); }) {}
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
  /// Calls `tick` on the core thread, so often, until join().
  void every(std::chrono::milliseconds period, std::function<void()> tick) {
    boost::asio::post(context_, [this, period, tick = std::move(tick)]() mutable {
      timers_.push_back(std::make_unique<boost::asio::steady_timer>(context_));
      wait(*timers_.back(), period, std::move(tick));
    });
  }
  /// Ends when nothing is left to do.
  void join() {
    boost::asio::post(context_, [this] {
      stopping_ = true;
      for (const auto& timer : timers_) timer->cancel();
    });
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void wait(boost::asio::steady_timer& timer, std::chrono::milliseconds period,
            std::function<void()> tick) {
    if (stopping_) return;
    timer.expires_after(period);
    timer.async_wait([this, &timer, period, tick = std::move(tick)](auto cancelled) mutable {
      if (cancelled) return;
      tick();
      wait(timer, period, std::move(tick));
    });
  }

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::unique_ptr<boost::asio::steady_timer>> timers_;  // core thread
  bool stopping_ = false;                                           // core thread
  std::thread thread_;
};

/// Everything that one process consists of, in the order in which it is built up and taken down.
class Process {
 public:
  explicit Process(const Settings& options) : options_(options) {}
  ~Process() { stop(); }

  Result<void> open();
  /// Everything but answering.
  Result<void> start();
  void answer();

 private:
  void stop();
  void leave_cluster();
  Result<void> open_keyring();
  Result<void> open_log();
  Result<void> open_journal();
  Result<void> open_kafka();
  Result<void> catch_up();
  Result<void> listen();
  Result<void> found();
  Result<bool> lacks_platform_key();
  Result<void> bootstrap();
  void register_gauges();
  Readiness readiness() const;
  std::vector<eventstore::Heartbeat> processes() const;
  RowsStatus rows_status() const;
  void applied(const std::vector<eventstore::StoredRecord>& group);

  const Settings& options_;
  std::optional<eventstore::kafka::Options> kafka_;  // where the log is there
  std::optional<DataDirectory> directory_;
  std::optional<eventstore::Keyring> keyring_;
  std::optional<eventstore::Nonces> nonces_;
  std::optional<schemas::MarkCodec> marks_;
  std::optional<schemas::CursorCodec> cursors_;
  RowsDirectory::Whole serving_;
  std::unique_ptr<projections::ReadStore> rows_;
  CoreThread core_thread_;
  std::unique_ptr<Outgoing> outgoing_;  // outlives whoever answers it
  std::unique_ptr<ClusterNode> node_;   // where the log is shared
  std::unique_ptr<manager::Core> core_;
  std::unique_ptr<eventstore::Log> log_;
  const eventstore::Journal* journal_ = nullptr;  // the log, where it is embedded
  boost::asio::thread_pool scans_{2};
  boost::asio::thread_pool records_{2};
  boost::asio::thread_pool folds_{1};
  std::optional<RowsTakeover> takeover_;
  std::unique_ptr<resources::Metrics> metrics_;
  resources::SealedCache sealed_;
  resources::PipelineCache pipelines_;
  std::unique_ptr<resources::StreamHub> streams_;
  std::optional<Services> services_;
  std::unique_ptr<http::Router> router_;
  std::unique_ptr<http::Server> server_;
  std::optional<BootstrapKey> key_to_show_;
};

Result<void> Process::open() {
  if (log_is_on_kafka(options_)) {
    auto kafka = kafka_options(options_, options_.log);
    if (!kafka) return std::unexpected(std::move(kafka).error());
    if (auto reached = reach_kafka(*kafka); !reached) return reached;
    kafka_.emplace(std::move(*kafka));
    node_ = std::make_unique<ClusterNode>(options_, *kafka_);
  }
  auto outgoing = Outgoing::make(options_);
  if (!outgoing) return std::unexpected(std::move(outgoing).error());
  outgoing_ = std::move(*outgoing);
  auto directory =
      DataDirectory::open(eventstore::posix_files(), options_.data, DataDirectory::Missing::create);
  if (!directory) return std::unexpected(std::move(directory).error());
  directory_.emplace(std::move(*directory));
  if (auto opened = open_keyring(); !opened) return opened;
  marks_.emplace(keyring_->mark_key().id, keyring_->mark_key().key);
  cursors_.emplace(keyring_->mark_key().id, keyring_->mark_key().key);
  metrics_ = std::make_unique<resources::Metrics>(resources::operations());
  streams_ = std::make_unique<resources::StreamHub>();
  auto rows = directory_->open_rows();
  if (!rows) return std::unexpected(std::move(rows).error());
  serving_ = std::move(rows->place);
  rows_ = std::move(rows->store);
  return open_log();
}

Result<void> Process::open_keyring() {
  auto keyring = kafka_
                     ? eventstore::kafka::open_or_create_keyring(*kafka_, eventstore::posix_files(),
                                                                 {options_.data, options_.root_key})
                     : directory_->open_keyring(options_.root_key);
  if (!keyring) return std::unexpected(std::move(keyring).error());
  keyring_.emplace(std::move(*keyring));
  if (keyring_->root_key_made()) {
    spdlog::info("root key made path={} keep a copy of it apart from backups",
                 *keyring_->root_key_made());
  }
  if (const auto& why = keyring_->sealing().refusal(); !why.empty()) {
    spdlog::error("sealed fields can be neither read nor written, everything else goes on: {}",
                  why);
  }
  return {};
}

Result<void> Process::open_log() {
  auto nonces = kafka_ ? Result<eventstore::Nonces>(eventstore::Nonces::of_this_life())
                       : directory_->open_nonces();
  if (!nonces) return std::unexpected(std::move(nonces).error());
  nonces_.emplace(std::move(*nonces));
  core_ = std::make_unique<manager::Core>(manager::Core::Options{
      .executor = core_thread_.executor(),
      .clock = eventstore::system_clock(),
      .nonce = [this](auto log, const auto& epoch) { return nonces_->nonce(log, epoch); },
      .process = process_name(),
      .rows = *rows_,
      .on_applied = [this](const auto& group) { applied(group); },
      .ownership = node_.get()});
  auto opened = kafka_ ? open_kafka() : open_journal();
  if (opened) core_->attach(*log_);
  return opened;
}

Result<void> Process::open_journal() {
  auto log = directory_->open_journal(core_->observer());
  if (!log) return std::unexpected(std::move(log).error());
  for (const auto& damage : (*log)->opening().damages) {
    spdlog::critical("journal damaged, read-only positions={}", to_text(damage.range));
  }
  if (const auto& cut = (*log)->opening().cut) {
    const auto* what = cut->waits ? "torn tail waits for space to be kept" : "torn tail cut off";
    spdlog::warn("{} position={} bytes={} kept_in={}", what, cut->position, cut->size_bytes,
                 cut->kept_in);
  }
  journal_ = log->get();
  log_ = std::move(*log);
  return {};
}

Result<void> Process::open_kafka() {
  auto folded = [this](schemas::LogId log) { return projections::folded_of(*rows_, log); };
  auto log = eventstore::KafkaLog::open(*kafka_, core_->observer(), std::move(folded));
  if (!log) return std::unexpected(std::move(log).error());
  log_ = std::move(*log);
  return {};
}

Result<void> Process::start() {
  auto caught_up = catch_up();
  if (!caught_up) return caught_up;
  if (node_) {
    auto joined = node_->start(*core_, core_thread_.executor(), process_name());
    if (!joined) return joined;
    core_thread_.every(cluster_period, [this] {
      // Who cannot write leaves it to those who can.
      const bool gives_way = log_->read_only() && node_->has_deputy();
      gives_way ? static_cast<void>(node_->leave()) : node_->tick();
    });
  }
  // The port first: whoever does not get it leaves the log as it is.
  auto listening = listen();
  if (!listening) return listening;
  core_thread_.every(std::chrono::seconds{1}, [this] {
    core_->tick();
    takeover_->tick();
    outgoing_->tick();
  });
  auto founded = found();
  if (!founded) return founded;
  auto bootstrapped = bootstrap();
  // Partitions move while several processes start.
  for (int attempt = 0; kafka_ && is_for_another(bootstrapped) && attempt < founding_attempts;
       ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    bootstrapped = bootstrap();
  }
  return bootstrapped;
}

void Process::answer() {
  server_->start();
  outgoing_->start(*services_, node_.get());
  print_welcome(options_, server_->port(),
                key_to_show_ ? key_to_show_->text.reveal() : std::string_view());
}

/// Takes the port; nobody is answered yet.
Result<void> Process::listen() {
  register_gauges();
  takeover_.emplace(RowsTakeover::Parts{.directory = directory_->rows(),
                                        .serving = serving_,
                                        .rows = *rows_,
                                        .log = *log_,
                                        .core = *core_,
                                        .core_thread = core_thread_.executor(),
                                        .folds = folds_});
  services_.emplace(Services{.commands = node_ ? node_->commands() : core_->commands(),
                             .rows = *rows_,
                             .progress = core_->progress(),
                             .log = *log_,
                             .topics = core_->topics(),
                             .marks = *marks_,
                             .cursors = *cursors_,
                             .hmac = keyring_->hmac_key().key,
                             .sealing = keyring_->sealing(),
                             .clock = eventstore::system_clock(),
                             .egress = outgoing_->egress(),
                             .scans = scans_,
                             .records = records_,
                             .sealed = sealed_,
                             .pipelines = pipelines_,
                             .streams = *streams_,
                             .metrics = *metrics_,
                             .readiness = [this] { return readiness(); },
                             .processes = [this] { return processes(); },
                             .projector = core_->projector(),
                             .rows_status = [this] { return rows_status(); },
                             .version = version,
                             .gateway = options_.roles.has(eventstore::Role::gateway)});
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

/// On the core thread: what others write into a shared log meanwhile is told there, and waits until
/// the rows are where it begins.
Result<void> Process::catch_up() {
  Result<projections::Projector::CaughtUp> done;
  auto ran = core_thread_.wait_for([&](auto tell) {
    done = core_->catch_up();
    tell(done ? Result<void>() : std::unexpected(done.error()));
  });
  if (!ran) return ran;
  if (done->records > 0) {
    spdlog::info("rows caught up records={} events={}", done->records, done->events);
  }
  // Only now is nothing needed any more of what served before.
  if (auto gone = directory_->rows().destroy_older(serving_.number); !gone) {
    spdlog::warn("old rows stay detail=\"{}\"", gone.error().detail);
  }
  if (auto full = rows_->broken()) {
    spdlog::critical("rows are held in memory, writes wait for space detail=\"{}\"", full->detail);
  }
  return {};
}

/// Several that start at once take turns: whoever loses its claim sees what the others wrote.
Result<void> Process::found() {
  for (int attempt = 0; !core_->founded(); ++attempt) {
    auto founded = core_thread_.wait_for(
        [this](auto done) { core_->found(options_.partitions, std::move(done)); });
    if (founded || !kafka_) return founded;
    if (founded.error().code != ErrorCode::no_owner || attempt == founding_attempts) return founded;
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + std::random_device()() % 200));
  }
  return {};
}

/// Of several processes the one that should write platform keys makes the first.
Result<bool> Process::lacks_platform_key() {
  const auto identity = *core_->topics().find(eventstore::identity_product);
  const auto log = core_->topics().log_of(identity, schemas::platform_organization);
  projections::Reader reader(*rows_, schemas::platform_organization, schemas::Space::live);
  const auto there = [&] {
    return !reader.list(identity, projections::Key::kind, true, {.limit = 1}).rows.empty();
  };
  if (!node_) return !there();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (!there()) {
    if (node_->of(log) == manager::Ownership::Standing::ours) return true;
    if (std::chrono::steady_clock::now() > until) {
      return fail(ErrorCode::internal,
                  "no process makes the platform key: is one with the role manager running?");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

/// A log without any platform key gets its first one. Whoever is to see it sees it before it can be
/// in the log: a start that ends in between shows another one.
Result<void> Process::bootstrap() {
  const auto lacks = lacks_platform_key();
  if (!lacks) return std::unexpected(lacks.error());
  if (!*lacks) return {};
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

std::vector<eventstore::Heartbeat> Process::processes() const {
  return node_ ? node_->living() : std::vector<eventstore::Heartbeat>();
}

RowsStatus Process::rows_status() const {
  return {rows_version, takeover_->number(), takeover_->builds()};
}

Readiness Process::readiness() const {
  Readiness readiness;
  if (auto error = log_->read_only()) readiness.reasons.push_back(error->detail);
  if (auto error = rows_->broken()) readiness.reasons.push_back(error->detail);
  for (const auto& frozen : core_->progress().frozen()) {
    readiness.frozen.push_back({frozen.scope.organization, frozen.scope.space,
                                core_->topics().name(frozen.scope.topic), frozen.reason});
  }
  if (!keyring_->sealing().refusal().empty()) {
    readiness.degraded.emplace_back(
        "sealed fields can be neither read nor written: the root key "
        "is missing, or is another one");
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
  if (journal_ != nullptr) {
    metrics_->gauge("tidemark_journal_bytes", "Bytes of journal that are durable.",
                    [=, this] { return number(journal_->durable_position()); });
  }
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
  outgoing_->applied(group);
  std::size_t records = 0;
  auto oldest = eventstore::system_clock().wall();
  for (const auto& record : group) {
    if (record.head.kind != eventstore::RecordKind::events) continue;
    ++records;
    oldest = std::min(oldest, schemas::BatchView::trusted(record.payload.bytes()).recorded());
  }
  if (records > 0) metrics_->committed(records, eventstore::system_clock().wall() - oldest);
}

/// What is in flight is finished here, what comes goes elsewhere.
void Process::leave_cluster() {
  if (!server_ || !node_) return;
  const auto until = std::chrono::steady_clock::now() + leave_within;
  while (std::chrono::steady_clock::now() < until) {
    bool left = false;
    auto asked = core_thread_.wait_for([&](auto done) {
      left = node_->leave();
      done({});
    });
    if (left) return;
    std::this_thread::sleep_for(cluster_period / 5);
  }
}

/// Accept nothing more, finish requests, drain the writer, store what is folded, close.
void Process::stop() {
  if (streams_) streams_->begin_stop();
  if (outgoing_) outgoing_->stop();
  leave_cluster();
  if (server_) server_->stop();
  if (node_) node_->stop();
  if (takeover_) takeover_->stop();
  folds_.join();
  scans_.join();
  records_.join();
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
  // Until here a signal ends the process at once, which loses nothing; nobody was answered yet.
  boost::asio::io_context context;
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([](auto, int signal) { spdlog::info("stopping signal={}", signal); });
  process.answer();
  context.run();
  return {};
}

/// Erases the rows that were to serve. Holds the directory's lock only meanwhile: the process that
/// goes on takes it again.
Result<void> destroy_rows(const Settings& options) {
  auto directory =
      DataDirectory::open(eventstore::posix_files(), options.data, DataDirectory::Missing::create);
  if (!directory) return std::unexpected(std::move(directory).error());
  auto serving = directory->rows().serving();
  if (!serving) return std::unexpected(std::move(serving).error());
  return directory->rows().destroy(serving->path);
}

bool holds_older_rows(const Settings& options) {
  return RowsDirectory(eventstore::posix_files(), options.data + "/rows").whole().size() > 1;
}

}  // namespace

Result<void> serve(const Settings& options) {
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may go away
  auto ran = run(options);
  const auto are_of_another_log = [&] { return !ran && ran.error().code == ErrorCode::lost_mark; };
  while (are_of_another_log() && holds_older_rows(options)) {
    spdlog::error("the newest rows are not of this log, going on with older ones detail=\"{}\"",
                  ran.error().detail);
    if (auto destroyed = destroy_rows(options); !destroyed) return destroyed;
    ran = run(options);
  }
  if (are_of_another_log() && log_is_on_kafka(options)) {
    // Nobody restores a topic beside its readers: rather another cluster, or one made anew.
    return fail(ErrorCode::internal,
                fmt::format("the rows in {} are not of the log at {}: {}. If these brokers are the "
                            "right ones, start with another, empty --data",
                            options.data, options.log, ran.error().detail));
  }
  if (are_of_another_log()) {
    spdlog::warn("the rows are not of this log: folding them anew");
    if (auto destroyed = destroy_rows(options); !destroyed) return destroyed;
    ran = run(options);
  }
  if (ran) spdlog::info("stopped");
  return ran;
}

}  // namespace api
