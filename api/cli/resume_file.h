#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/result.h"

namespace api::cli {

/// How far an import has come: the last line that the server confirmed, in a small file. It may lag
/// behind what was confirmed (a kill comes between a confirmation and its note); the lines between
/// are sent again then, and their idempotency keys say that they were there.
class ResumeFile {
 public:
  struct Note {
    std::uint64_t line = 0;   // 0: nothing was confirmed yet
    std::uint32_t check = 0;  // of that line's text: tells another input from this one
  };

  explicit ResumeFile(std::string path) : path_(std::move(path)) {}

  /// No file is the beginning.
  schemas::Result<Note> read() const;
  /// Replaces the file as a whole.
  schemas::Result<void> write(const Note& note) const;
  const std::string& path() const { return path_; }

  static std::uint32_t check_of(std::string_view line);

 private:
  std::string path_;
};

}  // namespace api::cli
