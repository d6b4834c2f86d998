#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

/// Work in processes of its own, so that a broken invariant, which aborts, is a result like others.
namespace simulation {

/// What the work threw, or how its process died; empty when it went well.
std::string run_in_child(const std::function<void()>& work);

struct FailedNumber {
  std::uint32_t number;
  std::string fault;
};
/// Calls `work` for every number from `from` to before `to`, in `jobs` processes; the smallest
/// number that failed, if one did. The others stop soon after.
std::optional<FailedNumber> run_in_children(std::uint32_t jobs, std::uint32_t from,
                                            std::uint32_t to,
                                            const std::function<void(std::uint32_t)>& work);

}  // namespace simulation
