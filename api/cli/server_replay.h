#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/command.h"
#include "api/cli/remote.h"

/// Replays that the server runs: to an endpoint, or into a product.
namespace api::cli {

struct ServerReplay {
  std::string endpoint;
  std::string product;
  std::string follow;  // one that was asked for before; nothing else counts then
  std::string from;
  std::string to;
  std::vector<std::string> types;
  std::vector<std::string> products;
  std::string filter;
  bool only_failed = false;
  std::string failed_of;  // a replay: only what failed in it
  std::optional<std::int64_t> per_second;
  bool dry_run = false;
  bool json = false;

  bool is_asked_for() const { return !endpoint.empty() || !product.empty() || !follow.empty(); }
};
/// Asks for it and tells how far it is until it has ended. It goes on at the server whatever
/// becomes of whoever waits here.
Step<void> run_at_server(const Remote& remote, const ServerReplay& replay);

}  // namespace api::cli
