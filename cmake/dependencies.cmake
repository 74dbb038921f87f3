# Third-party packages, all from the distribution but Arrow (arrow.cmake). One target each.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)
find_package(valijson REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
if(NIGHTMILL_TESTS)
  find_package(GTest REQUIRED)
endif()
if(NIGHTMILL_ARROW)
  include(arrow)
endif()

# A release is built by -O2 (CMakePresets.json). Where rows are counted in millions it takes -O3;
# where no speed is promised -Os, which compiles a fifth faster and spares memory of the daemon.
function(nm_optimize name option)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:${option}>)
endfunction()

# What most sources include, parsed once per target instead of once per source. Off in the presets
# of the sanitizers, so that a source which forgets an include does not build there.
option(NIGHTMILL_PRECOMPILE "Precompile the headers that most sources include" OFF)
function(nm_precompile name)
  if(NIGHTMILL_PRECOMPILE)
    target_precompile_headers(${name} PRIVATE <algorithm> <functional> <map> <memory> <optional>
      <string> <string_view> <variant> <vector> <fmt/format.h>
      ${CMAKE_SOURCE_DIR}/core/base/json.h ${CMAKE_SOURCE_DIR}/core/base/result.h
      ${CMAKE_SOURCE_DIR}/core/base/time.h ${ARGN})
    # What GCC 12 suspects of its own std::string (gcc.gnu.org/PR105329) it keeps to itself in a
    # header of the system, which a precompiled one is not.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${name} PRIVATE -Wno-array-bounds -Wno-stringop-overflow
                             -Wno-stringop-overread)
    endif()
  endif()
endfunction()

# nm_room(NAME [FAST|SMALL] SOURCES ... DEPS ... PRIVATE ... [PRECOMPILE HEADER ...]): the library
# of one room. PRECOMPILE: the headers of ours that most of its sources include.
function(nm_room name)
  cmake_parse_arguments(ARG "FAST;SMALL" "" "SOURCES;DEPS;PRIVATE;PRECOMPILE" ${ARGN})
  add_library(nm_${name} STATIC ${ARG_SOURCES})
  target_include_directories(nm_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(nm_${name} PUBLIC ${ARG_DEPS} PRIVATE nm_warnings ${ARG_PRIVATE})
  list(LENGTH ARG_SOURCES sources)
  if(sources GREATER 7)  # fewer do not repay it
    list(TRANSFORM ARG_PRECOMPILE PREPEND ${CMAKE_SOURCE_DIR}/)
    nm_precompile(nm_${name} ${ARG_PRECOMPILE})
  endif()
  if(ARG_FAST)
    nm_optimize(nm_${name} -O3)
  elseif(ARG_SMALL)
    nm_optimize(nm_${name} -Os)
  endif()
endfunction()

# nm_test(NAME SOURCES ... DEPS ...): one GoogleTest program, one ctest entry.
function(nm_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} nm_warnings GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE NM_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS "${ARG_LABELS}")
endfunction()
