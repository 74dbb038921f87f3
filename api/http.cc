#include "api/http.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

// An ETag without the mark of a weak one.
std::string_view Opaque(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  return tag;
}

}  // namespace

std::string_view HttpRequest::Header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

std::optional<std::string> HttpRequest::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> HttpRequest::QueryAll(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

const std::string& HttpRequest::Param(std::string_view name) const {
  const auto it = params.find(name);
  CHECK_MSG(it != params.end(), name);
  return it->second;
}

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string_view PhraseOf(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {409, "Conflict"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {422, "Unprocessable Content"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {507, "Insufficient Storage"},
  };
  for (const auto& [code, phrase] : kPhrases) {
    if (code == status) return phrase;
  }
  return "Error";
}

HttpResponse ProblemWithStatus(int status, const Error& error, const HttpRequest& request) {
  nlohmann::json body = {
      {"type", "about:blank"},   {"title", PhraseOf(status)},    {"status", status},
      {"detail", error.message}, {"code", ToString(error.code)}, {"request_id", request.id},
      {"instance", request.path}};
  if (!error.hint.empty()) body["hint"] = error.hint;
  if (!error.pointer.empty()) {
    body["errors"] = {
        {{"pointer", error.pointer}, {"message", error.message}, {"hint", error.hint}}};
  }
  HttpResponse response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::string_view accept = request.Header("accept");
  const bool plain = accept.find("application/json") != std::string_view::npos &&
                     accept.find("problem+json") == std::string_view::npos;
  response.content_type = plain ? "application/json" : "application/problem+json";
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpResponse Problem(const Error& error, const HttpRequest& request) {
  return ProblemWithStatus(HttpStatus(error.code), error, request);
}

bool NamesTag(std::string_view header, std::string_view tag) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find(','), header.size());
    std::string_view one = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == "*" || Opaque(one) == Opaque(tag)) return true;
  }
  return false;
}

bool Accepts(std::string_view accept, std::string_view type) {
  if (accept.empty() || accept.find("*/*") != std::string_view::npos) return true;
  if (accept.find(type) != std::string_view::npos) return true;
  const std::string any = std::string(type.substr(0, type.find('/'))) + "/*";
  return accept.find(any) != std::string_view::npos;
}

bool AcceptsOnly(std::string_view accept, std::string_view type) {
  return accept.find(type) != std::string_view::npos && !Accepts(accept, "application/json");
}

}  // namespace nightmill
