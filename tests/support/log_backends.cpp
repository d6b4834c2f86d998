#include "eventstore/memory_log.h"
#include "tests/support/log_fixture.h"

namespace eventstore {

namespace {

class MemoryHarness final : public LogHarness {
 public:
  std::unique_ptr<Log> open(LogObserver& observer) override {
    auto log = std::make_unique<MemoryLog>(observer, MemoryLog::Drive::thread, storage_);
    open_ = log.get();
    return log;
  }
  void kill(std::unique_ptr<Log> log) override { log.reset(); }
  void refuse_next_commit() override {
    open_->refuse_next({schemas::ErrorCode::disk_full, "no space", {}, {}});
  }
  void lose_next_outcome() override { open_->lose_next_outcome(1); }

 private:
  std::shared_ptr<MemoryStorage> storage_ = std::make_shared<MemoryStorage>();
  MemoryLog* open_ = nullptr;
};

}  // namespace

std::vector<Backend> all_backends() {
  return {{"memory", [] { return std::unique_ptr<LogHarness>(new MemoryHarness); }}};
}

}  // namespace eventstore
