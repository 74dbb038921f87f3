if(NIGHTMILL_SANITIZE)
  add_compile_options(-fsanitize=${NIGHTMILL_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NIGHTMILL_SANITIZE})
  # Two of UBSan's checks stand before every access to a member, and GCC then needs 1.6 times as
  # long for a source. ASan stops at a null access anyway, and our targets read unaligned words.
  if(NIGHTMILL_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=null,alignment)
  endif()
endif()
