// What does librdkafka do with the same records, on its own?
//
// Records of --size bytes with a key and the headers of an event go to the partitions of a topic
// that is there; a commit is --group records, acknowledged by all replicas. Closed loop: so many
// commits are on their way at a time. With --rate it is open: latencies count from when a commit
// was due. Partition p is written through handle p mod --handles. With --transactions each commit
// is a transaction, one at a time, as librdkafka has it.
//
//     kafka_producer --brokers HOST:PORT --topic NAME [--partitions 1] [--handles 1] [--in-flight
//     1]
//                    [--linger MS] [--outstanding 64] [--rate N] [--size 700] [--group 1]
//                    [--transactions] [--seconds 5]
#include <cstring>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

#include <fmt/core.h>

#include "bench/histogram.h"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::nanoseconds;

struct Setting {
  std::string brokers, topic;
  int partitions = 1, handles = 1, in_flight = 1, linger = 0;
  std::size_t outstanding = 64, size = 700, group = 1;
  double rate = 0;
  bool transactions = false;
  double seconds = 5;
};

struct Destroy {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
};
using Fault = std::unique_ptr<rd_kafka_error_t, Destroy>;

void check(rd_kafka_error_t* error) {
  const Fault fault(error);
  if (fault) throw std::runtime_error(rd_kafka_error_string(fault.get()));
}

struct Commit {
  Clock::time_point due;
  std::size_t left = 0;
};

class Producers {
 public:
  explicit Producers(const Setting& setting) : setting_(setting), value_(setting.size, 'x') {
    news_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < setting.handles; ++i) handles_.push_back(make());
    for (const auto& handle : handles_) {
      topics_.emplace_back(rd_kafka_topic_new(handle.get(), setting.topic.c_str(), nullptr));
    }
  }
  ~Producers() {
    topics_.clear();
    handles_.clear();
    ::close(news_);
  }
  Producers(const Producers&) = delete;
  Producers& operator=(const Producers&) = delete;

  void run();
  void print() const;

 private:
  using Handle = std::unique_ptr<rd_kafka_t, Destroy>;

  Handle make();
  static void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void* self);
  void begin(Clock::time_point due);
  void produce(Commit* commit);
  void transact();
  bool serve();
  void wait(Clock::time_point until) const;

  const Setting setting_;
  const std::string value_;
  int news_ = -1;
  std::vector<Handle> handles_;
  std::vector<std::unique_ptr<rd_kafka_topic_t, Destroy>> topics_;
  bench::Histogram latency_;
  std::size_t begun_ = 0, done_ = 0, next_ = 0;
  double took_ = 0;
  rd_kafka_resp_err_t failure_ = RD_KAFKA_RESP_ERR_NO_ERROR;
};

Producers::Handle Producers::make() {
  auto* conf = rd_kafka_conf_new();
  char error[512];
  const auto set = [&](const char* name, const std::string& value) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) {
      throw std::runtime_error(error);
    }
  };
  set("bootstrap.servers", setting_.brokers);
  set("enable.idempotence", "true");
  set("acks", "all");
  set("linger.ms", std::to_string(setting_.linger));
  set("max.in.flight", std::to_string(setting_.in_flight));
  set("socket.nagle.disable", "true");
  if (setting_.transactions) set("transactional.id", setting_.topic + std::to_string(::getpid()));
  rd_kafka_conf_set_dr_msg_cb(conf, &Producers::on_report);
  rd_kafka_conf_set_opaque(conf, this);
  Handle handle(rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error));
  if (!handle) throw std::runtime_error(error);
  const std::unique_ptr<rd_kafka_queue_t, Destroy> reports(rd_kafka_queue_get_main(handle.get()));
  static constexpr std::uint64_t one = 1;
  rd_kafka_queue_io_event_enable(reports.get(), news_, &one, sizeof one);
  if (setting_.transactions) check(rd_kafka_init_transactions(handle.get(), 30'000));
  return handle;
}

void Producers::on_report(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  auto* commit = static_cast<Commit*>(message->_private);
  if (commit == nullptr || --commit->left > 0) return;
  auto& producers = *static_cast<Producers*>(self);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) producers.failure_ = message->err;
  producers.latency_.add(Clock::now() - commit->due);
  ++producers.done_;
  delete commit;
}

void Producers::produce(Commit* commit) {
  static constexpr const char* headers[][2] = {{"ce_specversion", "1.0"},
                                               {"ce_type", "project.created"},
                                               {"ce_source", "/products/projects"},
                                               {"ce_id", "event_01jd0000000000000000000000"},
                                               {"ce_time", "2026-01-01T00:00:00.000000Z"},
                                               {"content-type", "application/octet-stream"},
                                               {"tm_epoch", "1:00000000000000000"},
                                               {"tm_sequence", "1000000"}};
  static constexpr std::string_view key = "org_01jd0000000000000000000000";
  const auto partition =
      static_cast<std::int32_t>(next_++ % static_cast<std::size_t>(setting_.partitions));
  const auto handle = static_cast<std::size_t>(partition) % handles_.size();
  auto* list = rd_kafka_headers_new(std::size(headers));
  for (const auto& [name, text] : headers) rd_kafka_header_add(list, name, -1, text, -1);
  check(rd_kafka_produceva(
      handles_[handle].get(),
      std::data({rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_RKT, .u = {.rkt = topics_[handle].get()}},
                 rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_PARTITION, .u = {.i32 = partition}},
                 rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u = {.i = RD_KAFKA_MSG_F_COPY}},
                 rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_VALUE,
                               .u = {.mem = {const_cast<char*>(value_.data()), value_.size()}}},
                 rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_KEY,
                               .u = {.mem = {const_cast<char*>(key.data()), key.size()}}},
                 rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_HEADERS, .u = {.headers = list}},
                 rd_kafka_vu_t{.vtype = RD_KAFKA_VTYPE_OPAQUE, .u = {.ptr = commit}}}),
      7));
}

void Producers::begin(Clock::time_point due) {
  ++begun_;
  auto* commit = new Commit{due, setting_.group};
  for (std::size_t i = 0; i < setting_.group; ++i) produce(commit);
}

void Producers::transact() {
  auto* handle = handles_.front().get();
  const auto due = Clock::now();
  check(rd_kafka_begin_transaction(handle));
  for (std::size_t i = 0; i < setting_.group; ++i) produce(nullptr);
  check(rd_kafka_commit_transaction(handle, 30'000));
  latency_.add(Clock::now() - due);
  ++begun_, ++done_;
}

bool Producers::serve() {
  bool any = false;
  for (const auto& handle : handles_) any |= rd_kafka_poll(handle.get(), 0) > 0;
  if (failure_ != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(failure_));
  return any;
}

void Producers::wait(Clock::time_point until) const {
  const auto left =
      std::max(std::chrono::duration_cast<nanoseconds>(until - Clock::now()), nanoseconds(0));
  const timespec time{.tv_sec = 0, .tv_nsec = std::min<long>(left.count(), 50'000'000)};
  pollfd news{.fd = news_, .events = POLLIN, .revents = 0};
  ::ppoll(&news, 1, &time, nullptr);
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(news_, &count, sizeof count);
}

void Producers::run() {
  const auto began = Clock::now();
  const auto end = began + duration_cast<nanoseconds>(duration<double>(setting_.seconds));
  const auto due_of = [&](std::size_t number) {
    return began + duration_cast<nanoseconds>(
                       duration<double>(static_cast<double>(number) / setting_.rate));
  };
  while (Clock::now() < end) {
    if (setting_.transactions) {
      transact();
    } else if (setting_.rate > 0) {
      while (due_of(begun_) <= Clock::now()) begin(due_of(begun_));
      if (!serve()) wait(due_of(begun_));
    } else {
      while (begun_ - done_ < setting_.outstanding) begin(Clock::now());
      if (!serve()) wait(end);
    }
  }
  while (done_ < begun_) {
    if (!serve()) wait(Clock::now() + std::chrono::milliseconds(50));
  }
  took_ = duration<double>(Clock::now() - began).count();
}

void Producers::print() const {
  const auto milliseconds = [&](double share) {
    return duration<double, std::milli>(latency_.at(share)).count();
  };
  fmt::print(
      "{{\"rate\":{:.1f},\"records\":{},\"latency_ms\":{{\"0.5\":{:.3f},\"0.99\":{:.3f}}}}}\n",
      static_cast<double>(done_ * setting_.group) / took_, done_ * setting_.group,
      milliseconds(0.5), milliseconds(0.99));
}

Setting parse(int count, char** words) {
  Setting setting;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--transactions") {
      setting.transactions = true;
      continue;
    }
    if (i + 1 == count) throw std::runtime_error(fmt::format("{} needs a value", name));
    const char* value = words[++i];
    if (name == "--brokers")
      setting.brokers = value;
    else if (name == "--topic")
      setting.topic = value;
    else if (name == "--partitions")
      setting.partitions = std::stoi(value);
    else if (name == "--handles")
      setting.handles = std::stoi(value);
    else if (name == "--in-flight")
      setting.in_flight = std::stoi(value);
    else if (name == "--linger")
      setting.linger = std::stoi(value);
    else if (name == "--outstanding")
      setting.outstanding = std::stoul(value);
    else if (name == "--size")
      setting.size = std::stoul(value);
    else if (name == "--group")
      setting.group = std::stoul(value);
    else if (name == "--rate")
      setting.rate = std::stod(value);
    else if (name == "--seconds")
      setting.seconds = std::stod(value);
    else
      throw std::runtime_error(fmt::format("unknown flag {}", name));
  }
  return setting;
}

}  // namespace

int main(int count, char** words) {
  try {
    Producers producers(parse(count, words));
    producers.run();
    producers.print();
    return 0;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "kafka_producer: {}\n", failure.what());
    return 1;
  }
}
