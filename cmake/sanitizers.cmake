if(NIGHTMILL_SANITIZE)
  add_compile_options(-fsanitize=${NIGHTMILL_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NIGHTMILL_SANITIZE})
endif()
