#include "api/http.h"

#include <nlohmann/json.hpp>

#include "core/base/check.h"

namespace nightmill {

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

HttpResponse ProblemWithStatus(int status, const Error& error, std::string_view accept,
                               std::string_view request_id) {
  nlohmann::json body = {
      {"type", "about:blank"},   {"title", ToString(error.code)}, {"status", status},
      {"detail", error.message}, {"code", ToString(error.code)},  {"request_id", request_id}};
  if (!error.hint.empty()) body["hint"] = error.hint;
  if (!error.pointer.empty()) {
    body["errors"] = {
        {{"pointer", error.pointer}, {"message", error.message}, {"hint", error.hint}}};
  }
  HttpResponse response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  response.content_type =
      accept == "application/json" ? "application/json" : "application/problem+json";
  return response;
}

HttpResponse Problem(const Error& error, std::string_view accept, std::string_view request_id) {
  return ProblemWithStatus(HttpStatus(error.code), error, accept, request_id);
}

}  // namespace nightmill
