#include "tests/simulation/children.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "schemas/result.h"

namespace simulation {
namespace {

/// What a child leaves behind, in memory that it shares with its parent.
struct Note {
  std::atomic<std::uint32_t> number;  // being worked on
  std::atomic<bool> done;
  char fault[1000];
};

class SharedNotes {
 public:
  explicit SharedNotes(std::size_t count) : size_(count * sizeof(Note)) {
    void* memory =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ENSURE(memory != MAP_FAILED);
    notes_ = static_cast<Note*>(memory);
  }
  ~SharedNotes() { ::munmap(notes_, size_); }
  SharedNotes(const SharedNotes&) = delete;
  SharedNotes& operator=(const SharedNotes&) = delete;
  Note& operator[](std::size_t index) { return notes_[index]; }

 private:
  std::size_t size_;
  Note* notes_;
};

pid_t start(Note& note, const std::function<void()>& work) {
  const auto child = ::fork();
  ENSURE(child >= 0);
  if (child > 0) return child;
  try {
    work();
    note.done = true;
  } catch (const std::exception& fault) {
    std::strncpy(note.fault, fault.what(), sizeof note.fault - 1);
  }
  std::fflush(nullptr);
  ::_exit(note.done ? 0 : 1);
}

/// Waits for one of the children; which it was, and its status.
std::pair<pid_t, int> wait_for_one() {
  int status = 0;
  pid_t child = -1;
  while ((child = ::waitpid(-1, &status, 0)) < 0 && errno == EINTR) {
  }
  ENSURE(child > 0);
  return {child, status};
}

/// Empty when the child did all.
std::string fault_of(const Note& note, int status) {
  if (note.done) return {};
  if (note.fault[0] != '\0') return note.fault;
  return WIFSIGNALED(status) ? std::string("killed by signal ") + ::strsignal(WTERMSIG(status))
                             : "ended early";
}

}  // namespace

std::string run_in_child(const std::function<void()>& work) {
  SharedNotes notes(1);
  start(notes[0], work);
  return fault_of(notes[0], wait_for_one().second);
}

std::optional<FailedNumber> run_in_children(std::uint32_t jobs, std::uint32_t from,
                                            std::uint32_t to,
                                            const std::function<void(std::uint32_t)>& work) {
  SharedNotes notes(jobs + 1);
  auto& stop = notes[jobs].done;  // of nobody's
  std::vector<pid_t> children;
  for (std::uint32_t job = 0; job < jobs; ++job) {
    children.push_back(start(notes[job], [&, job] {
      for (auto number = from + job; number < to && !stop; number += jobs) {
        notes[job].number = number;
        work(number);
      }
    }));
  }
  std::optional<FailedNumber> failed;
  for (std::uint32_t ended = 0; ended < jobs; ++ended) {
    const auto [child, status] = wait_for_one();
    const auto job =
        static_cast<std::size_t>(std::ranges::find(children, child) - children.begin());
    auto fault = fault_of(notes[job], status);
    if (fault.empty()) continue;
    stop = true;
    const auto number = notes[job].number.load();
    if (!failed || number < failed->number) failed = {number, std::move(fault)};
  }
  return failed;
}

}  // namespace simulation
