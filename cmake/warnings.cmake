# The warnings every room compiles with; our code has none.
add_library(nm_warnings INTERFACE)
target_compile_options(nm_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
# With optimisation GCC 12 calls every `"x" + std::string` an overlapping copy; GCC 13 does not
# (gcc.gnu.org/PR105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(nm_warnings INTERFACE $<$<CONFIG:Release>:-Wno-restrict>)
endif()
# Under sanitizers GCC takes members of std::regex for unset, which they are not
# (gcc.gnu.org/PR105562).
if(NIGHTMILL_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(nm_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
# ThreadSanitizer does not see the fences of Boost.Asio: at worst it reports a race too many.
if(NIGHTMILL_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(nm_warnings INTERFACE -Wno-tsan)
endif()
