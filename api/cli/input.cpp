#include "api/cli/input.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <zstd.h>

namespace api::cli {
namespace {

using schemas::ErrorCode;
using schemas::fail;
using schemas::Result;

constexpr std::size_t piece_bytes = 32 * 1024;               // small, so that fraction() is fine
constexpr std::string_view zstd_magic = "\x28\xb5\x2f\xfd";  // RFC 8878 3.1.1

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

}  // namespace

struct LineInput::Impl {
  ~Impl() {
    if (descriptor > STDIN_FILENO) ::close(descriptor);
  }

  Result<void> take(std::string_view bytes);
  Result<void> decompress(std::string_view bytes);
  Result<void> finish();

  std::string name;
  int descriptor = -1;
  bool regular = false;
  bool may_wait = false;
  std::uint64_t size = 0;
  std::uint64_t read = 0;

  std::string head;  // until it is known whether it is compressed
  bool known = false;
  std::unique_ptr<ZSTD_DStream, FreeStream> zstd;
  bool in_frame = false;

  std::string text;        // what was read and not given out yet
  std::size_t at = 0;      // of the next line in it
  std::size_t looked = 0;  // no line ends before
  std::uint64_t lines = 0;
  bool ended = false;
  std::vector<char> piece = std::vector<char>(piece_bytes);
};

LineInput::LineInput(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LineInput::~LineInput() = default;
LineInput::LineInput(LineInput&&) noexcept = default;

Result<LineInput> LineInput::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->name = path == "-" ? "stdin" : path;
  impl->descriptor = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (impl->descriptor < 0 || ::fstat(impl->descriptor, &status) != 0) {
    return fail(ErrorCode::not_found,
                fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) return fail(ErrorCode::not_found, path + " is a directory");
  impl->regular = S_ISREG(status.st_mode);
  impl->may_wait = S_ISFIFO(status.st_mode) || ::isatty(impl->descriptor) == 1;
  impl->size = static_cast<std::uint64_t>(status.st_size);
  return LineInput(std::move(impl));
}

std::optional<LineInput::Line> LineInput::next() {
  const auto end = impl_->text.find('\n', impl_->looked);
  if (end == std::string::npos) {
    impl_->looked = impl_->text.size();
    return std::nullopt;
  }
  std::string_view line(impl_->text.data() + impl_->at, end - impl_->at);
  if (line.ends_with('\r')) line.remove_suffix(1);
  impl_->at = impl_->looked = end + 1;
  return Line{++impl_->lines, line};
}

Result<void> LineInput::fill() {
  impl_->text.erase(0, impl_->at);
  impl_->looked -= impl_->at;
  impl_->at = 0;
  if (impl_->text.size() > line_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("{}:{}: the line is over {} MiB", impl_->name,
                                                  impl_->lines + 1, line_bytes_max >> 20));
  }
  ssize_t got = -1;
  do {
    got = ::read(impl_->descriptor, impl_->piece.data(), impl_->piece.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return fail(ErrorCode::internal,
                fmt::format("{} cannot be read: {}", impl_->name, std::strerror(errno)));
  }
  if (got == 0) return impl_->finish();
  impl_->read += static_cast<std::uint64_t>(got);
  return impl_->take({impl_->piece.data(), static_cast<std::size_t>(got)});
}

Result<void> LineInput::Impl::take(std::string_view bytes) {
  if (known && zstd) return decompress(bytes);
  if (known) {
    text.append(bytes);
    return {};
  }
  head.append(bytes);
  if (head.size() < zstd_magic.size() && !ended) return {};
  known = true;
  if (head.starts_with(zstd_magic)) zstd.reset(ZSTD_createDStream());
  return take(std::exchange(head, {}));
}

Result<void> LineInput::Impl::decompress(std::string_view bytes) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  const auto step = ZSTD_DStreamOutSize();
  for (bool full = false; in.pos < in.size || full;) {
    const auto before = text.size();
    text.resize(before + step);
    ZSTD_outBuffer out{text.data() + before, step, 0};
    const auto left = ZSTD_decompressStream(zstd.get(), &out, &in);
    text.resize(before + out.pos);
    if (ZSTD_isError(left) != 0) {
      return fail(ErrorCode::internal,
                  fmt::format("{} is damaged: {}", name, ZSTD_getErrorName(left)));
    }
    in_frame = left != 0;
    full = out.pos == step && in_frame;
  }
  return {};
}

Result<void> LineInput::Impl::finish() {
  ended = true;
  if (!known) {
    if (auto taken = take({}); !taken) return taken;
  }
  if (in_frame) return fail(ErrorCode::internal, fmt::format("{} is cut off in the middle", name));
  // The last line may lack its end.
  if (at < text.size() && !text.ends_with('\n')) text.push_back('\n');
  return {};
}

bool LineInput::ended() const {
  return impl_->ended;
}

bool LineInput::may_wait() const {
  return impl_->may_wait;
}

int LineInput::descriptor_to_wait_for() const {
  const auto itself = fmt::format("/proc/self/fd/{}", impl_->descriptor);
  const int descriptor = ::open(itself.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    throw std::system_error(errno, std::generic_category(), "waiting for " + impl_->name);
  }
  return descriptor;
}

std::optional<double> LineInput::fraction() const {
  if (!impl_->regular || impl_->size == 0) return std::nullopt;
  return static_cast<double>(impl_->read) / static_cast<double>(impl_->size);
}

}  // namespace api::cli
