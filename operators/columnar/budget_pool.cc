#include "operators/columnar/budget_pool.h"

#include <arrow/status.h>

namespace nightmill {
namespace {

arrow::Status OverBudget(const MemoryBudget& budget, std::int64_t size) {
  return arrow::Status::OutOfMemory("needs ", size, " bytes, ", budget.used(), " of ",
                                    budget.limit(), " are in use");
}

}  // namespace

arrow::Status BudgetPool::Allocate(std::int64_t size, std::int64_t alignment, std::uint8_t** out) {
  if (!budget_.TryReserve(size)) return OverBudget(budget_, size);
  arrow::Status status = base_->Allocate(size, alignment, out);
  if (!status.ok()) budget_.Release(size);
  return status;
}

arrow::Status BudgetPool::Reallocate(std::int64_t old_size, std::int64_t new_size,
                                     std::int64_t alignment, std::uint8_t** ptr) {
  const std::int64_t grown = new_size - old_size;
  if (grown > 0 && !budget_.TryReserve(grown)) return OverBudget(budget_, grown);
  arrow::Status status = base_->Reallocate(old_size, new_size, alignment, ptr);
  if (grown > 0 && !status.ok()) budget_.Release(grown);
  if (grown < 0 && status.ok()) budget_.Release(-grown);
  return status;
}

void BudgetPool::Free(std::uint8_t* buffer, std::int64_t size, std::int64_t alignment) {
  base_->Free(buffer, size, alignment);
  budget_.Release(size);
}

}  // namespace nightmill
