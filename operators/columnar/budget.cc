#include "operators/columnar/budget.h"

#include <fmt/format.h>

#include <string>

namespace nightmill {

bool MemoryBudget::TryReserve(std::int64_t bytes) {
  CHECK(bytes >= 0);
  std::int64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  std::int64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < used + bytes &&
         !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
  }
  return true;
}

OpStatus MemoryBudget::Reserve(std::int64_t bytes, std::string_view what) {
  if (TryReserve(bytes)) return OpOk();
  const std::int64_t now = used();
  return MakeOpError(
      OperatorErrorCode::kOomBudget,
      fmt::format("{} needs {} bytes, {} of {} are in use", what, bytes, now, limit_), "memory",
      fmt::format("set \"memory\" to at least {} bytes", now + bytes));
}

void MemoryBudget::Release(std::int64_t bytes) {
  const std::int64_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
  CHECK(before >= bytes);
}

}  // namespace nightmill
