#include "api/resources/stream_hub.h"

#include <algorithm>
#include <chrono>

#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/resources/chunk_cache.h"
#include "schemas/batch.h"

namespace api::resources {
namespace {

constexpr std::chrono::milliseconds platform_pause{100};

}  // namespace

/// The streams of one API thread. `pending` and `posted` are shared with the core, under the lock;
/// all else belongs to the thread.
struct StreamHub::Shard {
  explicit Shard(asio::any_io_executor its_executor) : executor(std::move(its_executor)) {}

  asio::any_io_executor executor;
  std::unordered_map<Group, Members, GroupHash> members;
  bool paused = false;      // all were woken a moment ago
  bool wake_again = false;  // and shall be once more
  std::atomic<std::size_t> count{0};

  std::mutex mutex;
  std::vector<Group> pending;
  bool posted = false;

  void touch(const std::vector<Group>& groups) {
    if (count.load(std::memory_order_relaxed) == 0) return;
    {
      std::lock_guard lock(mutex);
      pending.insert(pending.end(), groups.begin(), groups.end());
      if (std::exchange(posted, true)) return;
    }
    asio::post(executor, [this] { wake_pending(); });
  }

  void wake_pending() {
    std::vector<Group> groups;
    {
      std::lock_guard lock(mutex);
      groups.swap(pending);
      posted = false;
    }
    for (const auto& group : groups) {
      if (group.organization == schemas::platform_organization) {
        wake_all();
        continue;
      }
      auto found = members.find(group);
      if (found == members.end()) continue;
      for (const auto& waker : found->second) waker();
    }
  }

  void wake_all() {
    wake_again = paused;
    if (paused) return;
    paused = true;
    for (const auto& [group, wakers] : members) {
      for (const auto& waker : wakers) waker();
    }
    // Held by its own handler alone, so that it ends with the thread's io_context.
    auto timer = std::make_shared<asio::steady_timer>(executor, platform_pause);
    timer->async_wait([this, timer](boost::system::error_code ec) {
      paused = false;
      if (!ec && std::exchange(wake_again, false)) wake_all();
    });
  }
};

StreamHub::Membership::Membership(Shard& shard, Group group, http::Waker waker)
    : shard_(shard), group_(group) {
  auto& members = shard.members[group];
  member_ = members.insert(members.end(), std::move(waker));
  ++shard.count;
}

StreamHub::Membership::~Membership() {
  auto group = shard_.members.find(group_);
  group->second.erase(member_);
  if (group->second.empty()) shard_.members.erase(group);
  --shard_.count;
}

StreamHub::StreamHub() : chunks_(std::make_unique<ChunkCache>()) {}
StreamHub::~StreamHub() = default;

StreamHub::Shard& StreamHub::shard_of(const asio::any_io_executor& executor) {
  const auto* context = &asio::query(executor, asio::execution::context);
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(shards_, [&](const auto& shard) {
    return &asio::query(shard->executor, asio::execution::context) == context;
  });
  if (found != shards_.end()) return **found;
  return *shards_.emplace_back(std::make_unique<Shard>(executor));
}

StreamHub::Membership StreamHub::join(const asio::any_io_executor& executor,
                                      schemas::OrganizationId organization, schemas::Space space,
                                      http::Waker waker) {
  return {shard_of(executor), {organization, space}, std::move(waker)};
}

void StreamHub::applied(const std::vector<eventstore::StoredRecord>& group) {
  ++generation_;
  std::vector<Group> touched;
  if (group.empty()) touched.push_back({schemas::platform_organization, schemas::Space::live});
  for (const auto& record : group) {
    if (record.head.kind != eventstore::RecordKind::events) continue;
    auto batch = schemas::BatchView::trusted(record.payload.bytes());
    const Group one{batch.organization(), batch.space()};
    if (touched.empty() || touched.back() != one) touched.push_back(one);
  }
  if (touched.empty()) return;
  std::lock_guard lock(mutex_);
  for (const auto& shard : shards_) shard->touch(touched);
}

std::size_t StreamHub::count() const {
  std::lock_guard lock(mutex_);
  std::size_t all = 0;
  for (const auto& shard : shards_) all += shard->count;
  return all;
}

}  // namespace api::resources
