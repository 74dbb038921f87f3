# Arrow C++ and Parquet as the target nm_arrow: the system's packages if they are new enough, else
# the libraries inside the pyarrow wheel (the official build, with headers) by their full paths.
set(NIGHTMILL_ARROW_MINIMUM 21)
set(NIGHTMILL_PYARROW_DIR "" CACHE PATH
    "folder of an installed pyarrow wheel (.../site-packages/pyarrow); default: build/venv")

add_library(nm_arrow INTERFACE)

# A package of another major version makes find_package fail: ask without a version, then look.
find_package(Arrow QUIET CONFIG)
find_package(Parquet QUIET CONFIG)
if(Arrow_FOUND AND Parquet_FOUND AND NOT ARROW_VERSION VERSION_LESS NIGHTMILL_ARROW_MINIMUM)
  message(STATUS "Arrow ${ARROW_VERSION} of the system")
  target_link_libraries(nm_arrow INTERFACE Parquet::parquet_shared Arrow::arrow_shared)
  return()
endif()

set(_nm_pyarrow "${NIGHTMILL_PYARROW_DIR}")
if(NOT _nm_pyarrow)
  file(GLOB _nm_found "${CMAKE_SOURCE_DIR}/build/venv/lib/python3*/site-packages/pyarrow")
  list(GET _nm_found 0 _nm_pyarrow)
endif()
file(GLOB _nm_libarrow "${_nm_pyarrow}/libarrow.so.[0-9]*")
file(GLOB _nm_libparquet "${_nm_pyarrow}/libparquet.so.[0-9]*")
list(LENGTH _nm_libarrow _nm_count)
if(NOT _nm_count EQUAL 1 OR NOT _nm_libparquet
   OR NOT EXISTS "${_nm_pyarrow}/include/parquet/api/reader.h")
  message(FATAL_ERROR
    "Arrow C++ ${NIGHTMILL_ARROW_MINIMUM} or newer was not found: neither as a package of the "
    "system nor in a pyarrow wheel at \"${_nm_pyarrow}\".\n"
    "Next step: `make setup` (it installs the pinned wheel into build/venv), or\n"
    "  python3 -m venv build/venv && build/venv/bin/pip install pyarrow\n"
    "or set -DNIGHTMILL_PYARROW_DIR=<.../site-packages/pyarrow>, or -DNIGHTMILL_ARROW=OFF to build "
    "without the native operators.")
endif()
# "libarrow.so.2600" is version 26.0.
string(REGEX REPLACE ".*\\.so\\.([0-9]+)[0-9][0-9]$" "\\1" _nm_major "${_nm_libarrow}")
if(_nm_major VERSION_LESS NIGHTMILL_ARROW_MINIMUM)
  message(FATAL_ERROR "The pyarrow wheel at ${_nm_pyarrow} has Arrow ${_nm_major}; Nightmill needs "
    "${NIGHTMILL_ARROW_MINIMUM}. Next step: build/venv/bin/pip install --upgrade pyarrow")
endif()
message(STATUS "Arrow ${_nm_major} of the wheel ${_nm_pyarrow}")

foreach(_nm_lib arrow parquet)
  add_library(nm_wheel_${_nm_lib} SHARED IMPORTED)
  set_target_properties(nm_wheel_${_nm_lib} PROPERTIES IMPORTED_LOCATION "${_nm_lib${_nm_lib}}")
endforeach()
target_include_directories(nm_arrow SYSTEM INTERFACE "${_nm_pyarrow}/include")
target_link_libraries(nm_arrow INTERFACE nm_wheel_parquet nm_wheel_arrow)
target_link_options(nm_arrow INTERFACE "LINKER:-rpath,${_nm_pyarrow}")
