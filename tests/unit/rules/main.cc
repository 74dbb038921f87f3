#include <gtest/gtest.h>

#include <string_view>

#include "tests/unit/rules/golden.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--accept") nightmill::testing::g_accept_golden = true;
  }
  return RUN_ALL_TESTS();
}
