#include <fmt/format.h>

#include <algorithm>

#include "api/routes.h"
#include "core/base/hash.h"

namespace nightmill {
namespace {

// Whether `word` is one of the words of `list`, which are separated by spaces.
bool Lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

Status CheckQuery(const Route& route, const HttpRequest& request) {
  for (const auto& [name, value] : request.query) {
    if (Lists(route.query, name)) continue;
    std::string known(route.query);
    for (std::size_t at = 0; (at = known.find(' ', at)) != std::string::npos; at += 2) {
      known.replace(at, 1, ", ");
    }
    return Invalid(
        fmt::format("unknown parameter \"{}\"", name),
        known.empty() ? "there are no parameters here" : fmt::format("known are: {}", known));
  }
  return Ok();
}

HttpResponse NotModified(std::string tag) {
  HttpResponse response;
  response.status = 304;
  response.content_type.clear();
  response.headers.emplace_back("ETag", std::move(tag));
  return response;
}

// The ETag of a list, before it is read: so the answer is never newer than its tag.
Result<std::string> ListTag(ApiContext& context, Tagging tagging) {
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  if (tagging != Tagging::kPage) return fmt::format("W/\"e{}\"", last.value);
  return fmt::format("W/\"e{}-{}\"", last.value, ToMicros(context.now()) / 60'000'000);
}

Result<HttpResponse> Answer(ApiContext& context, const Route& route, const HttpRequest& request) {
  NM_RETURN_IF_ERROR(CheckQuery(route, request));
  const std::string_view known = request.Header("if-none-match");
  std::string tag;
  if (route.tagging == Tagging::kList || route.tagging == Tagging::kPage) {
    NM_ASSIGN_OR_RETURN(tag, ListTag(context, route.tagging));
    if (NamesTag(known, tag)) return NotModified(std::move(tag));
  }
  NM_ASSIGN_OR_RETURN(HttpResponse response, route.handler(context, request));
  if (response.pending || response.status != 200 || route.tagging == Tagging::kNone)
    return response;
  if (tag.empty()) tag = std::string(response.Header("ETag"));
  if (tag.empty()) tag = EntryTag(response.body);
  const bool reads = route.method == "GET";
  if (reads && NamesTag(known, tag)) return NotModified(std::move(tag));
  if (response.Header("ETag").empty()) response.headers.emplace_back("ETag", std::move(tag));
  return response;
}

}  // namespace

std::string EntryTag(std::string_view body) {
  return fmt::format("\"{}\"", Sha256Hex(body).substr(0, 32));
}

HttpResponse Dispatch(ApiContext& context, const Route& route, const HttpRequest& request) {
  Result<HttpResponse> response = Answer(context, route, request);
  return response.ok() ? *std::move(response) : Problem(response.error(), request);
}

}  // namespace nightmill
