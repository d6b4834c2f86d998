#pragma once

#include "api/config.h"
#include "manager/commands.h"
#include "schemas/crypto.h"

/// The first platform key of an empty log: the one credential that nobody could have granted.
namespace api {

struct BootstrapKey {
  schemas::Secret text;
  bool show;  // nobody has seen it yet: print it, once
};

/// Takes the key's text from the environment or the file that the settings name, or makes one. A
/// key that goes into a file is durable there (mode 0600) when this returns, so that no crash can
/// leave a log whose only key nobody has.
schemas::Result<BootstrapKey> bootstrap_key(const Settings& settings);

/// The command that puts the key into the log.
manager::CreateKey create_platform_key(const BootstrapKey& key);

}  // namespace api
