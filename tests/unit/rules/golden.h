// `rules_test --accept` writes the golden files of this suite instead of comparing with them.
#pragma once

namespace nightmill::testing {

inline bool g_accept_golden = false;

}  // namespace nightmill::testing
