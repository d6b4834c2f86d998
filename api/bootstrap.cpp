#include "api/bootstrap.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <fmt/format.h>

#include "api/edge/key_text.h"

namespace api {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
using schemas::Secret;

Result<Secret> checked(std::string text, const std::string& from) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (!edge::is_key_text(text) || !text.starts_with("le_live_")) {
    return fail(
        ErrorCode::internal,
        fmt::format("{} holds no live platform key; `tidemark keys generate` makes one", from));
  }
  return Secret(std::move(text));
}

Result<void> write_durably(const std::string& path, const Secret& key) {
  auto failed = [&](const char* step) {
    return fail(ErrorCode::internal,
                fmt::format("cannot {} the key file {}: {}", step, path, std::strerror(errno)));
  };
  // Under its name it is whole, or a start that was cut off would leave half a key for the next.
  const auto unfinished = path + ".new";
  int file = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return failed("make");
  auto line = std::string(key.reveal()) + "\n";
  bool written = ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                 ::fsync(file) == 0;
  ::close(file);
  if (!written || ::rename(unfinished.c_str(), path.c_str()) != 0) return failed("write");
  auto parent = std::filesystem::absolute(path).parent_path();
  int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return failed("sync the directory of");
  bool synced = ::fsync(directory) == 0;
  ::close(directory);
  if (!synced) return failed("sync the directory of");
  return {};
}

}  // namespace

Result<BootstrapKey> bootstrap_key(const Settings& settings) {
  if (settings.bootstrap_key) {
    auto key = checked(std::string(settings.bootstrap_key->reveal()), "TIDEMARK_BOOTSTRAP_KEY");
    if (!key) return std::unexpected(std::move(key).error());
    return BootstrapKey{std::move(*key), false};
  }
  const auto& path = settings.bootstrap_key_file;
  if (!path) return BootstrapKey{edge::make_key_text(schemas::Space::live), true};
  if (std::filesystem::exists(*path)) {
    std::ifstream file(*path);
    auto key = checked(std::string(std::istreambuf_iterator<char>(file), {}), *path);
    if (!key) return std::unexpected(std::move(key).error());
    return BootstrapKey{std::move(*key), false};
  }
  BootstrapKey made{edge::make_key_text(schemas::Space::live), false};
  auto written = write_durably(*path, made.text);
  if (!written) return std::unexpected(std::move(written).error());
  return made;
}

manager::CreateKey create_platform_key(const BootstrapKey& key) {
  auto text = key.text.reveal();
  return {.name = "platform",
          .permissions = {"*"},
          .projects = {},
          .expires = {},
          .digest = edge::key_digest(text),
          .hint = edge::key_hint(text),
          .platform = true};
}

}  // namespace api
