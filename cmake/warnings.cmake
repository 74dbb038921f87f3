# The warnings every room compiles with; our code has none.
add_library(nm_warnings INTERFACE)
target_compile_options(nm_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
