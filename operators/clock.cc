#include "operators/clock.h"

#include <chrono>

namespace nightmill {

double MonotonicSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace nightmill
