// The page (web/): its files and the paths that it shows itself. Public and constant.
#pragma once

#include <optional>

#include "api/http.h"

namespace nightmill {

// What a GET or HEAD without a route is answered: a file, or the shell of the page, which shows
// what the path says. Nothing for other methods, for what is below /api, /auth and /ui, and without
// a built page. A path below /assets/ that is no file is 404.
std::optional<HttpResponse> PageResponse(const HttpRequest& request);

}  // namespace nightmill
