// The only clock of the operators room: how long a phase took, for reports and logs. Nothing that
// is written into data, manifests or fingerprints may depend on it.
#pragma once

#include <cstdint>

namespace nightmill {

// Seconds on a monotonic clock since an arbitrary start.
double MonotonicSeconds();

// Seconds since construction.
class PhaseTimer {
 public:
  PhaseTimer() : start_(MonotonicSeconds()) {}
  double seconds() const { return MonotonicSeconds() - start_; }

 private:
  double start_;
};

}  // namespace nightmill
