#include "operators/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace nightmill {

OpStatus ParallelFor(std::size_t units, int threads,
                     const std::function<OpStatus(std::size_t unit, int thread)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::size_t failed_unit = units;
  std::optional<OperatorError> error;

  const auto run = [&](int thread) {
    while (!failed.load(std::memory_order_relaxed)) {
      const std::size_t unit = next.fetch_add(1, std::memory_order_relaxed);
      if (unit >= units) return;
      const OpStatus status = work(unit, thread);
      if (status.ok()) continue;
      const std::lock_guard lock(mutex);
      // Units start in rising order, so every unit below the lowest failed one has been started and
      // reports its own error: the choice does not depend on timing.
      if (unit < failed_unit) {
        failed_unit = unit;
        error = status.error();
      }
      failed = true;
    }
  };

  const std::size_t wanted = static_cast<std::size_t>(std::max(threads, 1));
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < std::min(wanted, units); ++i) {
    helpers.emplace_back(run, static_cast<int>(i));
  }
  run(0);
  for (std::thread& helper : helpers) helper.join();
  if (error) return *error;
  return OpOk();
}

}  // namespace nightmill
