#pragma once

#include "webhooks/pool.h"

namespace api::resources {

using webhooks::answer_on;
using webhooks::run_on;

}  // namespace api::resources
