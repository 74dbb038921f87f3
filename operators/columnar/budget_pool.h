// Arrow's allocations on our MemoryBudget. Included by .cc files of operators/columnar only.
#pragma once

#include <arrow/memory_pool.h>

#include <cstdint>
#include <string>

#include "operators/columnar/budget.h"

namespace nightmill {

// Thread-safe. An allocation over the budget fails with arrow's OutOfMemory status, which
// libparquet throws and GuardParquet (parquet_errors.h) turns into kOomBudget. `budget` outlives
// the pool, the pool outlives every buffer taken from it.
class BudgetPool final : public arrow::MemoryPool {
 public:
  explicit BudgetPool(MemoryBudget& budget)
      : budget_(budget), base_(arrow::default_memory_pool()) {}

  using arrow::MemoryPool::Allocate;
  using arrow::MemoryPool::Free;
  using arrow::MemoryPool::Reallocate;
  arrow::Status Allocate(std::int64_t size, std::int64_t alignment, std::uint8_t** out) override;
  arrow::Status Reallocate(std::int64_t old_size, std::int64_t new_size, std::int64_t alignment,
                           std::uint8_t** ptr) override;
  void Free(std::uint8_t* buffer, std::int64_t size, std::int64_t alignment) override;

  std::int64_t bytes_allocated() const override { return budget_.used(); }
  std::int64_t max_memory() const override { return budget_.peak(); }
  std::int64_t total_bytes_allocated() const override { return base_->total_bytes_allocated(); }
  std::int64_t num_allocations() const override { return base_->num_allocations(); }
  std::string backend_name() const override { return "nightmill-budget"; }

 private:
  MemoryBudget& budget_;
  arrow::MemoryPool* base_;
};

}  // namespace nightmill
