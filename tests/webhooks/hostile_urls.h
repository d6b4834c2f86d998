#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace webhooks {

/// Who must refuse a URL: reading it, what can be said without resolving, or the look at what its
/// name leads to.
enum class Stage : std::uint8_t { parse, check, connect };

struct HostileUrl {
  std::string text;
  Stage stage;
  std::string why;  // the refusal says
};

/// Each with that port where it has none to try of its own: somebody listens there.
std::vector<HostileUrl> hostile_urls(std::uint16_t port);

/// What the names among them lead to.
extern const std::map<std::string, std::vector<std::string>> hostile_names;

}  // namespace webhooks
