#include "api/handlers/handlers.h"
#include "api/handlers/support.h"

// The file itself, so that what is served cannot differ from what is tested.
__asm__(
    ".section .rodata\n"
    ".global nm_openapi\n.hidden nm_openapi\nnm_openapi:\n"
    ".incbin \"" NM_OPENAPI
    "\"\n"
    ".global nm_openapi_end\n.hidden nm_openapi_end\nnm_openapi_end:\n.byte 0\n"
    ".previous\n");
extern "C" {
extern const char nm_openapi[] __attribute__((visibility("hidden")));
extern const char nm_openapi_end[] __attribute__((visibility("hidden")));
}

namespace nightmill {

Result<HttpResponse> GetOpenApi(ApiContext&, const HttpRequest&) {
  const std::string_view text(nm_openapi, static_cast<std::size_t>(nm_openapi_end - nm_openapi));
  static const std::string kTag = EntryTag(text);  // it never changes, and hashing it takes a while
  HttpResponse response = JsonTextResponse(std::string(text));
  response.headers.emplace_back("ETag", kTag);
  return response;
}

}  // namespace nightmill
