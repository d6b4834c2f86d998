#include "eventstore/kafka_client.h"

#include <array>
#include <map>
#include <string>
#include <sys/prctl.h>
#include <thread>

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include "eventstore/record.h"

namespace eventstore::kafka {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

using Settings = std::map<std::string, std::string>;
using Conf = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>>;

void write_log(const rd_kafka_t*, int level, const char* facility, const char* text) {
  spdlog::log(level <= 3 ? spdlog::level::warn : spdlog::level::debug, "kafka {} {}", facility,
              text);
}

constexpr std::chrono::nanoseconds usual_slack = std::chrono::microseconds(50);  // prctl(2)
constexpr std::chrono::nanoseconds overslept = std::chrono::milliseconds(4);

/// A handle's main thread sleeps whole milliseconds towards its next timer and spins through the
/// rest, each second: most of what an idle handle costs. So it oversleeps: its timers, few of which
/// are shorter than a second, come up to so much later; what is asked of it wakes it at once. The
/// threads that it starts would do the same.
rd_kafka_resp_err_t set_slack(rd_kafka_t*, rd_kafka_thread_type_t thread, const char*, void*) {
  const auto slack = thread == RD_KAFKA_THREAD_MAIN ? overslept : usual_slack;
  ::prctl(PR_SET_TIMERSLACK, slack.count());
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_new(rd_kafka_t* handle, const rd_kafka_conf_t*, void*, char*, std::size_t) {
  return rd_kafka_interceptor_add_on_thread_start(handle, "sleep", set_slack, nullptr);
}

/// Ours go last: no configuration may take away what the protocol rests on.
Result<Conf> make_conf(const Options& options, const Settings& ours) {
  Conf conf(rd_kafka_conf_new());
  std::array<char, 512> error{};
  auto settings = options.properties;
  // Else a connection that died in silence is believed in for a minute.
  settings.try_emplace("socket.timeout.ms", "10000");
  settings["bootstrap.servers"] = options.brokers;
  settings["client.id"] = "tidemark";
  settings["reconnect.backoff.ms"] = "50";
  settings["reconnect.backoff.max.ms"] = "500";
  settings["socket.nagle.disable"] = "true";
  if (options.password) settings["sasl.password"] = options.password->reveal();
  for (const auto& [name, value] : ours) settings[name] = value;
  for (const auto& [name, value] : settings) {
    const auto set =
        rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error.data(), error.size());
    if (set == RD_KAFKA_CONF_OK) continue;
    return fail(ErrorCode::invalid_parameter,
                fmt::format("kafka setting {}: {}", name, error.data()));
  }
  rd_kafka_conf_set_log_cb(conf.get(), write_log);
  rd_kafka_conf_interceptor_add_on_new(conf.get(), "sleep", on_new, nullptr);
  return conf;
}

Result<Handle> make(rd_kafka_type_t type, Conf conf) {
  std::array<char, 512> error{};
  Handle handle(rd_kafka_new(type, conf.get(), error.data(), error.size()));
  if (!handle) return fail(ErrorCode::invalid_parameter, fmt::format("kafka: {}", error.data()));
  static_cast<void>(conf.release());  // the handle's now
  return handle;
}

Result<Conf> reading(const Options& options, ErrorReport told, void* opaque) {
  auto conf = make_conf(options, {{"isolation.level", "read_uncommitted"},
                                  {"auto.offset.reset", "error"},
                                  {"check.crcs", "true"},
                                  {"enable.auto.commit", "false"},
                                  {"enable.auto.offset.store", "false"},
                                  {"enable.partition.eof", "true"},
                                  {"fetch.wait.max.ms", std::to_string(options.fetch_wait.count())},
                                  {"fetch.error.backoff.ms", "20"}});
  if (!conf) return fail(std::move(conf).error());
  if (told != nullptr) rd_kafka_conf_set_error_cb(conf->get(), told);
  rd_kafka_conf_set_opaque(conf->get(), opaque);
  return conf;
}

constexpr auto pace = std::chrono::milliseconds(5);
constexpr std::int16_t fetch_request = 1;  // ApiKey of Kafka's protocol

/// librdkafka asks again as soon as it has an answer, and has no setting against that. A thread of
/// its own stands for each broker of each handle; there the answer is left waiting.
rd_kafka_resp_err_t pace_one(rd_kafka_t*, int, const char*, std::int32_t, std::int16_t request,
                             std::int16_t, std::int32_t, std::size_t, void*) {
  if (request != fetch_request) return RD_KAFKA_RESP_ERR_NO_ERROR;
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point answered;
  std::this_thread::sleep_until(answered + pace);
  answered = Clock::now();
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t pace_all(rd_kafka_t* consumer, const rd_kafka_conf_t*, void*, char*,
                             std::size_t) {
  return rd_kafka_interceptor_add_on_request_sent(consumer, "pace", pace_one, nullptr);
}

}  // namespace

Result<Handle> make_producer(const Options& options, DeliveryReport told, void* opaque) {
  auto conf = make_conf(
      options, {{"enable.idempotence", "true"},
                {"acks", "all"},
                {"linger.ms", "0"},
                {"max.in.flight", "1"},
                // A record that fails for itself takes those behind it along, instead of a hole.
                {"enable.gapless.guarantee", "true"},
                {"message.max.bytes", std::to_string(record_size_max + 64 * 1024)},
                {"message.timeout.ms", std::to_string(options.outcome_after.count())},
                {"queue.buffering.max.messages", "1000000"}});
  if (!conf) return fail(std::move(conf).error());
  rd_kafka_conf_set_dr_msg_cb(conf->get(), told);
  rd_kafka_conf_set_opaque(conf->get(), opaque);
  return make(RD_KAFKA_PRODUCER, std::move(*conf));
}

Result<Handle> make_sender(const Options& options, Acks acks, DeliveryReport told, void* opaque) {
  auto conf =
      make_conf(options, {{"enable.idempotence", "false"},
                          {"message.send.max.retries", "0"},
                          {"acks", acks == Acks::all ? "all" : "1"},
                          {"linger.ms", "0"},
                          {"message.timeout.ms", std::to_string(options.answer_within.count())}});
  if (!conf) return fail(std::move(conf).error());
  rd_kafka_conf_set_dr_msg_cb(conf->get(), told);
  rd_kafka_conf_set_opaque(conf->get(), opaque);
  return make(RD_KAFKA_PRODUCER, std::move(*conf));
}

Result<Handle> make_consumer(const Options& options, ErrorReport told, void* opaque) {
  auto conf = reading(options, told, opaque);
  if (!conf) return fail(std::move(conf).error());
  return make(RD_KAFKA_CONSUMER, std::move(*conf));
}

Result<Handle> make_follower(const Options& options, ErrorReport told, void* opaque) {
  auto lasting = options;
  // A leader that lost its office and does not know answers on, and shows nothing new.
  lasting.properties.try_emplace("topic.metadata.refresh.interval.ms", "5000");
  auto conf = reading(lasting, told, opaque);
  if (!conf) return fail(std::move(conf).error());
  rd_kafka_conf_interceptor_add_on_new(conf->get(), "pace", pace_all, nullptr);
  return make(RD_KAFKA_CONSUMER, std::move(*conf));
}

Result<Handle> make_asker(const Options& options, ErrorReport told, void* opaque) {
  // Whoever asks says what went wrong, once.
  auto conf = make_conf(options, {{"log_level", "0"}});
  if (!conf) return fail(std::move(conf).error());
  rd_kafka_conf_set_error_cb(conf->get(), told);
  rd_kafka_conf_set_opaque(conf->get(), opaque);
  return make(RD_KAFKA_PRODUCER, std::move(*conf));
}

schemas::Error to_error(std::string_view doing, rd_kafka_resp_err_t code) {
  const auto kind = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE    ? ErrorCode::record_too_large
                    : code == RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR ? ErrorCode::disk_full
                                                                    : ErrorCode::internal;
  return {kind, fmt::format("{}: {}", doing, rd_kafka_err2str(code)), {}, {}};
}

std::unexpected<schemas::Error> no_answer() {
  return fail(ErrorCode::mark_not_reached, "the kafka brokers do not answer");
}

}  // namespace eventstore::kafka
