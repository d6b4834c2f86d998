#include "api/cli/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

namespace api::cli {
namespace {

using std::chrono::duration;
using std::chrono::seconds;

constexpr seconds window{5};
constexpr std::chrono::milliseconds drawn_every{100};
constexpr std::size_t bar_width = 30;
constexpr double remaining_max = 86'400.0 * 365;

}  // namespace

void Pace::note(eventstore::MonotonicTime now, Done done) {
  samples_.push_back({now, done});
  while (samples_.size() > 2 && now - samples_[1].time >= window) samples_.pop_front();
}

double Pace::seconds() const {
  if (samples_.size() < 2) return 0;
  return duration<double>(samples_.back().time - samples_.front().time).count();
}

std::optional<double> Pace::rate() const {
  if (seconds() <= 0) return std::nullopt;
  const auto things = samples_.back().done.done - samples_.front().done.done;
  return static_cast<double>(things) / seconds();
}

std::optional<std::chrono::seconds> Pace::remaining() const {
  if (seconds() <= 0) return std::nullopt;
  const auto first = samples_.front().done.fraction;
  const auto last = samples_.back().done.fraction;
  if (!first || !last || *last <= *first) return std::nullopt;
  const auto left = (1 - *last) / ((*last - *first) / seconds());
  if (left > remaining_max) return std::nullopt;
  return std::chrono::seconds(std::llround(std::max(left, 0.0)));
}

std::string grouped(std::uint64_t number) {
  auto text = std::to_string(number);
  for (auto at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string to_text(std::chrono::seconds duration) {
  const auto count = duration.count();
  if (count < 100) return fmt::format("{} s", count);
  if (count < 100 * 60) return fmt::format("{} min", (count + 30) / 60);
  return fmt::format("{} h {} min", count / 3600, count % 3600 / 60);
}

std::string progress_text(std::string_view task, std::string_view things, Done done,
                          const Pace& pace) {
  std::string text(task);
  if (done.fraction) {
    const auto fraction = std::clamp(*done.fraction, 0.0, 1.0);
    const auto full = static_cast<std::size_t>(fraction * bar_width);
    text += fmt::format("  [{:#>{}}{:.>{}}] {:3.0f} %", "", full, "", bar_width - full,
                        std::floor(fraction * 100));
  }
  text += fmt::format("  {} {}", grouped(done.done), things);
  if (const auto rate = pace.rate()) {
    text += fmt::format("  {}/s", grouped(static_cast<std::uint64_t>(*rate)));
  }
  if (const auto remaining = pace.remaining()) {
    text += fmt::format("  {} left", to_text(*remaining));
  }
  return text;
}

ProgressLine::ProgressLine(std::string_view task, std::string_view things)
    : task_(task), things_(things), terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
}

void ProgressLine::show(Done done) {
  if (!terminal_) return;
  const auto now = eventstore::system_clock().monotonic();
  if (now < next_) return;
  next_ = now + drawn_every;
  pace_.note(now, done);
  fmt::print(stderr, "\r{}\x1b[K", progress_text(task_, things_, done, pace_));
  drawn_ = true;
}

}  // namespace api::cli
