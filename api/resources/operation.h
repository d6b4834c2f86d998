#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "api/http/coroutine.h"
#include "api/http/request.h"
#include "api/http/response.h"
#include "api/resources/fields.h"
#include "schemas/result.h"

/// One line of the route table.
namespace api::resources {

using http::Response;
using schemas::Result;

struct Ask;
using Answer = awaitable<Result<Response>>;
using Function = Answer (*)(Ask&);

/// Who may come, and where the request then acts.
enum class Scope : std::uint8_t {
  open,      ///< no key is asked for
  any_key,   ///< every key, whatever it may do
  platform,  ///< a platform key, in org_platform
  own,       ///< in the key's organization, or the one a platform key names
  /// A platform key, in the organization that it names.
  platform_within,
  organization,  ///< as own, but a platform key has to name one
};

/// A gateway that hears no news of revocations refuses sensitive routes first (DESIGN 7).
enum class Sensitivity : std::uint8_t { usual, sensitive };

enum class Body : std::uint8_t { none, json, merge_patch, events };

/// A body of application/x-ndjson and its answer, a line for a line.
struct Lines {
  std::span<const Field> members;
  const Shape* answer;
};

struct Operation {
  http::Method method;
  std::string_view pattern;
  std::string_view name;  ///< the function's, and OpenAPI's operationId
  std::string_view summary;
  Function function;
  Scope scope = Scope::organization;
  /// `{product}` stands for the path's segment of that name. Empty: none.
  std::string_view permission = {};
  Sensitivity sensitivity = Sensitivity::usual;
  /// Whose log an answer of this operation reflects; `{product}` as above.
  std::string_view product = "identity";
  /// Parameters behind the question mark; any other one is refused.
  std::span<const Field> query = {};
  /// Pointers of declared indexes are parameters too: the function looks after them.
  bool pointers = false;
  Body body = Body::none;
  /// A body of application/x-ndjson is taken too, line by line.
  const Lines* lines = nullptr;
  std::span<const Field> members = {};
  /// The change heeds If-Match.
  bool conditional = false;
  unsigned status = 200;
  /// Another status; it comes with the same answer, unless it has one of its own.
  unsigned other_status = 0;
  const Shape* other_answer = nullptr;
  const Shape* answer = nullptr;
  /// What the answer is when it has no shape.
  std::string_view media = {};
  /// The answer is a page of such things.
  bool page = false;
};

inline bool is_write(const Operation& operation) {
  return operation.method != http::Method::get;
}

}  // namespace api::resources
