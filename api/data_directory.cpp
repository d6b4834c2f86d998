#include "api/data_directory.h"

#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace api {
namespace {

using schemas::Error;
using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

Error in_use(const std::string& path) {
  return {ErrorCode::in_use,
          fmt::format("another process uses {}; stop it first (a server ends on SIGTERM)", path),
          {},
          {}};
}

}  // namespace

DataDirectory::DataDirectory(eventstore::FileSystem& files, std::string path,
                             std::unique_ptr<eventstore::FileLock> lock)
    : files_(files),
      path_(std::move(path)),
      lock_(std::move(lock)),
      rows_(files, path_ + "/rows") {}

Result<DataDirectory> DataDirectory::open(eventstore::FileSystem& files, std::string path,
                                          Missing missing) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (missing == Missing::create) {
    if (auto made = files.make_directories(path); !made) return fail(std::move(made).error());
  } else {
    const auto* needed = missing == Missing::refuse ? "journal" : "rows";
    if (!std::filesystem::is_directory(fmt::format("{}/{}", path, needed))) {
      return fail(ErrorCode::not_found,
                  fmt::format("{} is no data directory: there is no {}/{}", path, path, needed));
    }
  }
  auto lock = files.lock(path + "/lock");
  if (!lock && lock.error().code == ErrorCode::in_use) return fail(in_use(path));
  if (!lock) return fail(std::move(lock).error());
  return DataDirectory(files, std::move(path), std::move(*lock));
}

Result<std::unique_ptr<eventstore::Journal>> DataDirectory::open_journal(
    eventstore::LogObserver& observer, eventstore::JournalOptions options) {
  ENSURE(lock_ != nullptr);
  options.directory = path_;
  options.files = &files_;
  // The journal takes the same lock. Who snatches it in between makes this opening fail, no more.
  lock_.reset();
  auto journal = eventstore::Journal::open(std::move(options), observer);
  if (!journal && journal.error().code == ErrorCode::in_use) return fail(in_use(path_));
  return journal;
}

Result<DataDirectory::Rows> DataDirectory::open_rows() {
  while (true) {
    auto serving = rows_.serving();
    if (!serving) return fail(std::move(serving).error());
    auto store = projections::open_rocks_store(serving->path);
    if (store) return Rows{std::move(*serving), std::move(*store)};
    if (rows_.whole().size() < 2) return fail(std::move(store).error());
    spdlog::error("the newest rows cannot be opened, going on with older ones detail=\"{}\"",
                  store.error().detail);
    if (auto gone = rows_.destroy(serving->path); !gone) return fail(std::move(gone).error());
  }
}

Result<eventstore::Keyring> DataDirectory::open_keyring(
    const std::optional<std::string>& root_key) const {
  // A log without its keyring is a restore gone wrong: a new one would make every mark foreign and
  // every idempotency key unknown, without a word.
  if (std::filesystem::exists(journal_path()) && !std::filesystem::exists(path_ + "/keyring")) {
    return schemas::fail(schemas::ErrorCode::internal,
                         path_ +
                             "/keyring is missing beside a journal; restore it from the backup "
                             "that the journal came from");
  }
  return eventstore::Keyring::open_or_create(files_, {path_, root_key});
}

Result<eventstore::Nonces> DataDirectory::open_nonces() const {
  return eventstore::Nonces::open_or_create(files_, path_);
}

}  // namespace api
