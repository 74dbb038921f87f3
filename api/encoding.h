// Answers of the API in gzip (product.md 4.3), for callers that ask for it. Handlers and ETags know
// nothing of it: the strong ETag of a compressed answer gets a mark when it leaves, as bytes that
// differ need tags that differ, and loses it when it comes back. A weak one stays as it is.
#pragma once

#include <string_view>

#include "api/http.h"

namespace nightmill {

// Whether a header Accept-Encoding takes gzip: names it, and not with q=0.
bool AcceptsGzip(std::string_view header);

// Takes the mark off the tags in If-Match and If-None-Match; true if the latter had it.
bool UnmarkTags(HttpRequest& request);

// Compresses the answer if that is asked for and worth it, at the cheapest level; says in any case
// that answers vary by it. `knows_gzip`: what UnmarkTags returned. Costs CPU: a pooled thread calls
// it, not the one that serves the sockets.
void Encode(const HttpRequest& request, bool knows_gzip, HttpResponse& response);

}  // namespace nightmill
