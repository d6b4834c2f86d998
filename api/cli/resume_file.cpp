#include "api/cli/resume_file.h"

#include <limits>

#include <fmt/format.h>

#include "eventstore/file.h"
#include "schemas/crypto.h"
#include "schemas/json_reader.h"
#include "schemas/json_writer.h"

namespace api::cli {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;
namespace json = schemas::json;

Result<ResumeFile::Note> ResumeFile::read() const {
  auto bytes = eventstore::read_whole(eventstore::posix_files(), path_);
  if (!bytes && bytes.error().code == ErrorCode::not_found) return Note{};
  if (!bytes) return fail(std::move(bytes).error());
  const auto document = json::parse(schemas::text_of(*bytes));
  Note note;
  Result<void> read = document ? Result<void>() : fail(document.error());
  if (document) {
    json::ObjectReader reader(document->root());
    note.line = static_cast<std::uint64_t>(reader.integer("line"));
    constexpr auto check_max = std::numeric_limits<std::uint32_t>::max();
    note.check = static_cast<std::uint32_t>(reader.integer("check", {.min = 0, .max = check_max}));
    read = reader.finish();
  }
  if (read) return note;
  return fail(ErrorCode::internal,
              fmt::format("{} does not say how far an import came: {}; remove it to begin anew",
                          path_, read.error().detail));
}

Result<void> ResumeFile::write(const Note& note) const {
  std::string text;
  json::Writer(text)
      .begin_object()
      .member("line", note.line)
      .member("check", note.check)
      .end_object();
  text.push_back('\n');
  return eventstore::replace_whole(eventstore::posix_files(), path_, schemas::bytes_of(text));
}

std::uint32_t ResumeFile::check_of(std::string_view line) {
  return schemas::crc32c(schemas::bytes_of(line));
}

}  // namespace api::cli
