#include "api/cli/replay_output.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "api/cli/progress.h"
#include "schemas/json.h"
#include "schemas/json_writer.h"
#include "schemas/time.h"

namespace api::cli {
namespace {

using std::chrono::nanoseconds;

std::optional<double> parse_positive(std::string_view text, std::string_view unit) {
  if (text.ends_with(unit)) text.remove_suffix(unit.size());
  double number = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const bool good = read.ec == std::errc() && read.ptr == end && std::isfinite(number);
  return good && number > 0 ? std::optional(number) : std::nullopt;
}

/// In seconds; what is further away than a year is never due.
nanoseconds after_seconds(double seconds) {
  constexpr double year = 365.0 * 86'400;
  return std::chrono::duration_cast<nanoseconds>(
      std::chrono::duration<double>(std::min(seconds, year)));
}

std::unexpected<Stop> cannot(std::string_view what, const std::string& path) {
  return stop(Exit::failed, fmt::format("{} cannot be {}: {}", path, what, std::strerror(errno)));
}

/// The last whole line of a file, and where the next one begins.
struct Tail {
  std::string line;
  std::uintmax_t end = 0;
};
Step<Tail> tail_of(const std::string& path, std::uintmax_t size) {
  constexpr std::uintmax_t line_max = std::uintmax_t{16} << 20;
  std::ifstream file(path, std::ios::binary);
  const auto begin = size > line_max ? size - line_max : 0;
  std::string text(size - begin, '\0');
  file.seekg(static_cast<std::streamoff>(begin));
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())))
    return cannot("read", path);
  const auto end = text.rfind('\n');
  // Broken off within the first line.
  constexpr std::string_view first_bytes = R"({"specversion")";
  const auto shown = std::string_view(text).substr(0, first_bytes.size());
  if (end == text.npos && begin == 0 && first_bytes.starts_with(shown)) return Tail{};
  if (end == text.npos) return stop(Exit::usage, path + " is no file of replayed events");
  const auto before = end == 0 ? text.npos : text.rfind('\n', end - 1);
  const auto start = before == text.npos ? 0 : before + 1;
  return Tail{.line = text.substr(start, end - start), .end = begin + end + 1};
}

}  // namespace

nanoseconds ReplayTiming::due(std::uint64_t number, schemas::Time first,
                              schemas::Time recorded) const {
  auto due = nanoseconds(0);
  if (per_second) due = after_seconds(static_cast<double>(number) / *per_second);
  if (speed) {
    const auto since = std::chrono::duration<double>(recorded - first).count();
    due = std::max(due, after_seconds(since / *speed));
  }
  return due;
}

std::optional<double> parse_rate(std::string_view text) {
  return parse_positive(text, "/s");
}
std::optional<double> parse_speed(std::string_view text) {
  return parse_positive(text, "x");
}

Step<ReplayOutput> ReplayOutput::to_stdout() {
  return ReplayOutput(stdout, "stdout");
}

Step<ReplayOutput> ReplayOutput::to_file(const std::string& path, bool resume) {
  auto* file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) return cannot("opened", path);
  ReplayOutput output(file, path);
  if (::flock(output.fd(), LOCK_EX | LOCK_NB) != 0) {
    return stop(Exit::failed, path + " is being written by another process");
  }
  std::error_code none;
  const auto size = std::filesystem::file_size(path, none);
  const bool has_events = !none && size > 0;
  std::string after;
  std::uintmax_t end = 0;
  if (has_events && !resume) {
    return stop(Exit::usage, path +
                                 " is not empty; --resume goes on behind its last event, with "
                                 "the same filters and end");
  }
  if (has_events) {
    auto tail = tail_of(path, size);
    if (!tail) return std::unexpected(std::move(tail).error());
    if (tail->end > 0) {
      const auto event = schemas::json::parse(tail->line);
      const auto mark = event ? event->root().find("mark") : std::nullopt;
      if (!mark || !mark->as_string()) {
        return stop(Exit::usage,
                    path + " is no file of replayed events: its last line has no mark");
      }
      after = *mark->as_string();
    }
    end = tail->end;
  }
  if (::ftruncate(output.fd(), static_cast<off_t>(end)) != 0) return cannot("cut", path);
  output.after_ = std::move(after);
  return output;
}

Step<void> ReplayOutput::print(std::string_view line) {
  const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() &&
                       std::fputc('\n', file_.get()) != EOF;
  if (!written) return cannot("written", name_);
  return {};
}

Step<void> ReplayOutput::flush() {
  if (std::fflush(file_.get()) != 0) return cannot("written", name_);
  return {};
}

void ReplayCount::add(std::string_view type, schemas::Time recorded) {
  ++events;
  const auto found = by_type.find(type);
  if (found != by_type.end()) {
    ++found->second;
  } else {
    by_type.emplace(type, 1);
  }
  first = std::min(first.value_or(recorded), recorded);
  last = std::max(last.value_or(recorded), recorded);
}

std::string ReplayCount::text() const {
  auto text = fmt::format("{} events", grouped(events));
  if (first) text += fmt::format(", {} to {}", schemas::to_text(*first), schemas::to_text(*last));
  text += '\n';
  for (const auto& [type, count] : by_type) {
    text += fmt::format("{:>12}  {}\n", grouped(count), type);
  }
  return text;
}

std::string ReplayCount::json() const {
  std::string text;
  schemas::json::Writer writer(text);
  writer.begin_object().member("events", events).name("by_type").begin_object();
  for (const auto& [type, count] : by_type) writer.member(type, count);
  writer.end_object().member("first", first).member("last", last).end_object();
  return text + "\n";
}

}  // namespace api::cli
