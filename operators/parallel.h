// Runs numbered units on a fixed number of threads. The result does not depend on the number of
// threads: units are independent, and of several errors the one of the lowest unit is returned.
#pragma once

#include <cstddef>
#include <functional>

#include "operators/op_result.h"

namespace nightmill {

// Calls work(unit, thread) for every unit in [0, units); `thread` is in [0, threads) and lets a
// unit use state of its thread. The caller's thread is one of them. Units are taken in rising
// order; after an error no further unit starts. All threads have ended on return.
OpStatus ParallelFor(std::size_t units, int threads,
                     const std::function<OpStatus(std::size_t unit, int thread)>& work);

}  // namespace nightmill
