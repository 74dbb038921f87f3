// The memory budget of one attempt (compute.md 1.4): one atomic account that Arrow's allocations
// (BudgetPool, budget_pool.h) and our own arenas draw on. Exact under threads: a reservation either
// fits or fails. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "operators/op_result.h"

namespace nightmill {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::int64_t limit_bytes) : limit_(limit_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Takes `bytes` (>= 0) if they fit; false changes nothing.
  bool TryReserve(std::int64_t bytes);
  // Like TryReserve; the error is kOomBudget and says what needed how much of what is left.
  OpStatus Reserve(std::int64_t bytes, std::string_view what);
  void Release(std::int64_t bytes);

  std::int64_t limit() const { return limit_; }
  std::int64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  std::int64_t left() const { return limit_ - used(); }

 private:
  const std::int64_t limit_;
  std::atomic<std::int64_t> used_{0};
  std::atomic<std::int64_t> peak_{0};
};

// A reservation that grows and ends with its owner. One thread.
class BudgetHold {
 public:
  explicit BudgetHold(MemoryBudget& budget) : budget_(&budget) {}
  BudgetHold(BudgetHold&& other) noexcept : budget_(other.budget_), held_(other.held_) {
    other.held_ = 0;
  }
  BudgetHold(const BudgetHold&) = delete;
  BudgetHold& operator=(const BudgetHold&) = delete;
  ~BudgetHold() { budget_->Release(held_); }

  // Sets the held amount to `bytes`, up or down.
  OpStatus Resize(std::int64_t bytes, std::string_view what) {
    if (bytes > held_) NM_RETURN_IF_ERROR(budget_->Reserve(bytes - held_, what));
    if (bytes < held_) budget_->Release(held_ - bytes);
    held_ = bytes;
    return OpOk();
  }
  std::int64_t held() const { return held_; }

 private:
  MemoryBudget* budget_;
  std::int64_t held_ = 0;
};

}  // namespace nightmill
