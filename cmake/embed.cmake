# nm_embed(TARGET ROOM_PATH NAME FILES...): puts files into the program, byte for byte.
#
#   include(embed)
#   nm_embed(nm_store store migrations ${CMAKE_SOURCE_DIR}/migrations/0001_init.sql)
#
# gives TARGET a source with the bytes and a header "store/embedded_migrations.h" declaring
#   nightmill::embedded::migrations(): a span of (name, bytes), in the order given.
# The name is the path below BASE (option), else the file name. A changed file is rebuilt alone: the
# bytes come in by .incbin, so megabytes cost the compiler nothing.
function(nm_embed target room name)
  cmake_parse_arguments(ARG "" "BASE" "" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/generated/${room}/embedded_${name})
  set(NM_EMBED_INCBIN "")
  set(NM_EMBED_EXTERN "")
  set(NM_EMBED_ROWS "")
  set(index 0)
  foreach(file IN LISTS ARG_UNPARSED_ARGUMENTS)
    if(ARG_BASE)
      file(RELATIVE_PATH label ${ARG_BASE} ${file})
    else()
      get_filename_component(label ${file} NAME)
    endif()
    set(symbol nm_embed_${name}_${index})
    string(APPEND NM_EMBED_INCBIN
      ".global ${symbol}\\n.hidden ${symbol}\\n${symbol}:\\n.incbin \\\"${file}\\\"\\n"
      ".global ${symbol}_end\\n.hidden ${symbol}_end\\n${symbol}_end:\\n.byte 0\\n")
    string(APPEND NM_EMBED_EXTERN
      "extern const char ${symbol}[];\nextern const char ${symbol}_end[];\n")
    string(APPEND NM_EMBED_ROWS "      File{\"${label}\", Bytes(${symbol}, ${symbol}_end)},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  set(NM_EMBED_NAME ${name})
  set(NM_EMBED_HEADER ${room}/embedded_${name}.h)
  set(NM_EMBED_COUNT ${index})
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/embed.h.in ${out}.h @ONLY)
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/embed.cc.in ${out}.cc @ONLY)
  set_source_files_properties(${out}.cc PROPERTIES OBJECT_DEPENDS "${ARG_UNPARSED_ARGUMENTS}")
  target_sources(${target} PRIVATE ${out}.cc)
  target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/generated)
endfunction()
