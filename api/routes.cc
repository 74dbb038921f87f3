#include "api/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nightmill {
namespace {

constexpr std::array<std::string_view, 5> kRoleWords = {"public", "viewer", "operator", "author",
                                                        "admin"};

// Cuts the next segment off a template that begins with '/'.
std::string_view NextSegment(std::string_view& path) {
  path.remove_prefix(1);
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

// 0: no match; else 1 + the number of literal segments, so that "/dags/validate" goes before
// "/dags/{dag_id}".
int Fit(std::string_view path, const std::vector<std::string>& segments) {
  int literal = 1;
  for (const std::string& segment : segments) {
    if (path.empty()) return 0;
    const std::string_view wanted = NextSegment(path);
    if (wanted == segment) {
      literal += 1;
    } else if (!wanted.starts_with('{')) {
      return 0;
    }
  }
  return path.empty() ? literal : 0;
}

std::map<std::string, std::string, std::less<>> ParamsOf(std::string_view path,
                                                         const std::vector<std::string>& segments) {
  std::map<std::string, std::string, std::less<>> params;
  for (const std::string& segment : segments) {
    const std::string_view wanted = NextSegment(path);
    if (wanted.starts_with('{')) params.emplace(wanted.substr(1, wanted.size() - 2), segment);
  }
  return params;
}

}  // namespace

std::string_view ToString(Role role) { return kRoleWords[static_cast<std::size_t>(role)]; }

std::optional<Role> ParseRole(std::string_view word) {
  for (std::size_t i = 0; i < kRoleWords.size(); ++i) {
    if (kRoleWords[i] == word) return static_cast<Role>(i);
  }
  return std::nullopt;
}

RouteMatch MatchRoute(std::string_view method, const std::vector<std::string>& segments) {
  RouteMatch best;
  int best_fit = 0;
  for (const Route& route : Routes()) {
    const int fit = Fit(route.path, segments);
    if (fit == 0) continue;
    if (best.allow.find(route.method) == std::string::npos) {
      best.allow += fmt::format("{}{}", best.allow.empty() ? "" : ", ", route.method);
      if (route.method == "GET") best.allow += ", HEAD";
    }
    if (route.method != method || fit <= best_fit) continue;
    best_fit = fit;
    best.route = &route;
  }
  if (best.route != nullptr) best.params = ParamsOf(best.route->path, segments);
  return best;
}

}  // namespace nightmill
