#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/cli/command.h"
#include "schemas/ids.h"

/// Where `tidemark replay` puts events, and when.
namespace api::cli {

/// When each event is due, counted from the first one. Pure.
struct ReplayTiming {
  std::optional<double> per_second;  // so many events
  std::optional<double> speed;       // times as fast as they were accepted

  std::chrono::nanoseconds due(std::uint64_t number, schemas::Time first,
                               schemas::Time recorded) const;
};

/// `500` or `500/s`; `10` or `10x`. Above zero.
std::optional<double> parse_rate(std::string_view text);
std::optional<double> parse_speed(std::string_view text);

/// Lines of JSON to stdout, or behind what stands in a file. A file that was cut off within a line
/// goes on behind its last whole one.
class ReplayOutput {
 public:
  static Step<ReplayOutput> to_stdout();
  /// A file that has events already is refused unless `resume`.
  static Step<ReplayOutput> to_file(const std::string& path, bool resume);

  /// The mark of the last event that was there.
  const std::string& after() const { return after_; }

  Step<void> print(std::string_view line);
  /// What was printed can be seen.
  Step<void> flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdout) std::fclose(file);
    }
  };
  ReplayOutput(std::FILE* file, std::string name) : file_(file), name_(std::move(name)) {}
  int fd() const { return fileno(file_.get()); }

  std::unique_ptr<std::FILE, Close> file_;
  std::string name_;
  std::string after_;
};

/// What a replay would print.
struct ReplayCount {
  std::uint64_t events = 0;
  std::map<std::string, std::uint64_t, std::less<>> by_type;
  std::optional<schemas::Time> first;
  std::optional<schemas::Time> last;

  void add(std::string_view type, schemas::Time recorded);
  std::string text() const;
  std::string json() const;
};

}  // namespace api::cli
