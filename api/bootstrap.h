#pragma once

#include <optional>
#include <string>

#include "eventstore/file.h"
#include "manager/commands.h"
#include "schemas/crypto.h"

/// The first platform key of an empty log: the one credential that nobody could have granted.
namespace api {

struct Bootstrap {
  std::optional<std::string> key_file;  // where to write the key, or where it stands already
  std::optional<std::string> given;     // TIDEMARK_BOOTSTRAP_KEY
};

struct BootstrapKey {
  schemas::Secret text;
  bool show;  // nobody has seen it yet: print it, once
};

/// Takes or makes the key's text. A key that goes into a file is durable there (mode 0600) when
/// this returns, so that no crash can leave a log whose only key nobody has.
schemas::Result<BootstrapKey> bootstrap_key(const Bootstrap& bootstrap);

/// The command that puts the key into the log.
manager::CreateKey create_platform_key(const BootstrapKey& key);

}  // namespace api
