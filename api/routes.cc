#include "api/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/handlers/handlers.h"
#include "core/base/limits.h"

namespace nightmill {
namespace {

constexpr std::size_t kNone = 0;
constexpr std::size_t kBody = limits::kMaxRequestBody;
constexpr std::size_t kDagBody = limits::kMaxDagBody;

constexpr std::array kRoutes = {
    Route{"GET", "/livez", Role::kPublic, kNone, GetLivez},
    Route{"GET", "/readyz", Role::kPublic, kNone, GetHealth},
    Route{"GET", "/health", Role::kPublic, kNone, GetHealth},
    Route{"GET", "/api/v2/monitor/health", Role::kViewer, kNone, GetMonitorHealth},
    Route{"GET", "/api/v2/version", Role::kViewer, kNone, GetVersion},
    Route{"GET", "/api/v2/operators", Role::kViewer, kNone, GetOperators},
    Route{"GET", "/api/v2/workers", Role::kViewer, kNone, GetWorkers},
    Route{"GET", "/api/v2/eventLogs", Role::kViewer, kNone, GetEventLogs},
    Route{"POST", "/api/v2/shutdown", Role::kAdmin, kBody, PostShutdown},

    Route{"GET", "/api/v2/dags", Role::kViewer, kNone, GetDags},
    Route{"POST", "/api/v2/dags/validate", Role::kViewer, kDagBody, PostValidate},
    Route{"GET", "/api/v2/dags/{dag_id}", Role::kViewer, kNone, GetDag},
    Route{"GET", "/api/v2/dags/{dag_id}/details", Role::kViewer, kNone, GetDag},
    Route{"PATCH", "/api/v2/dags/{dag_id}", Role::kOperator, kBody, PatchDag},
    Route{"GET", "/api/v2/dags/{dag_id}/tasks", Role::kViewer, kNone, GetDagTasks},
    Route{"GET", "/api/v2/dags/{dag_id}/next", Role::kViewer, kNone, GetDagNext},
    Route{"PUT", "/api/v2/dags/{dag_id}/source", Role::kAuthor, kDagBody, PutDagSource},
    Route{"GET", "/api/v2/dagSources/{dag_id}", Role::kViewer, kNone, GetDagSource},

    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns", Role::kViewer, kNone, GetDagRuns},
    Route{"POST", "/api/v2/dags/{dag_id}/dagRuns", Role::kOperator, kBody, PostDagRun},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", Role::kViewer, kNone, GetDagRun},
    Route{"POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/cancel", Role::kOperator, kBody,
          PostCancelRun},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/explain", Role::kViewer, kNone,
          GetRunExplain},

    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances", Role::kViewer, kNone,
          GetTaskInstances},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}",
          Role::kViewer, kNone, GetTaskInstance},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries",
          Role::kViewer, kNone, GetTries},
    Route{"GET",
          "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
          Role::kViewer, kNone, GetLogs},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/explain",
          Role::kViewer, kNone, GetTaskExplain},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
          Role::kViewer, kNone, GetTaskInstance},

    Route{"GET", "/api/v2/backfills", Role::kViewer, kNone, GetBackfills},
    Route{"POST", "/api/v2/backfills", Role::kOperator, kBody, PostBackfill},
    Route{"POST", "/api/v2/backfills/dry_run", Role::kViewer, kBody, PostBackfillDryRun},
    Route{"GET", "/api/v2/backfills/{backfill_id}", Role::kViewer, kNone, GetBackfill},
    Route{"GET", "/api/v2/backfills/{backfill_id}/dagRuns", Role::kViewer, kNone, GetBackfillSlots},
    Route{"PUT", "/api/v2/backfills/{backfill_id}/pause", Role::kOperator, kBody, PutBackfillPause},
    Route{"PUT", "/api/v2/backfills/{backfill_id}/unpause", Role::kOperator, kBody,
          PutBackfillUnpause},
    Route{"PUT", "/api/v2/backfills/{backfill_id}/cancel", Role::kOperator, kBody,
          PutBackfillCancel},

    Route{"GET", "/api/v2/pools", Role::kViewer, kNone, GetPools},
    Route{"POST", "/api/v2/pools", Role::kOperator, kBody, PostPool},
    Route{"PATCH", "/api/v2/pools/{pool_name}", Role::kOperator, kBody, PatchPool},
};

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
int Fit(std::string_view path, const std::vector<std::string>& segments,
        std::map<std::string, std::string, std::less<>>& params) {
  int literal = 1;
  for (const std::string& segment : segments) {
    if (path.empty()) return 0;
    const std::string_view wanted = NextSegment(path);
    if (wanted.starts_with('{')) {
      params.emplace(wanted.substr(1, wanted.size() - 2), segment);
    } else if (wanted == segment) {
      literal += 1;
    } else {
      return 0;
    }
  }
  return path.empty() ? literal : 0;
}

}  // namespace

std::string_view ToString(Role role) { return kRoleWords[static_cast<std::size_t>(role)]; }

std::optional<Role> ParseRole(std::string_view word) {
  for (std::size_t i = 0; i < kRoleWords.size(); ++i) {
    if (kRoleWords[i] == word) return static_cast<Role>(i);
  }
  return std::nullopt;
}

std::span<const Route> Routes() { return kRoutes; }

RouteMatch MatchRoute(std::string_view method, const std::vector<std::string>& segments) {
  RouteMatch best;
  int best_fit = 0;
  for (const Route& route : kRoutes) {
    std::map<std::string, std::string, std::less<>> params;
    const int fit = Fit(route.path, segments, params);
    if (fit == 0) continue;
    if (best.allow.find(route.method) == std::string::npos) {
      best.allow += fmt::format("{}{}", best.allow.empty() ? "" : ", ", route.method);
      if (route.method == "GET") best.allow += ", HEAD";
    }
    if (route.method != method || fit <= best_fit) continue;
    best_fit = fit;
    best.route = &route;
    best.params = std::move(params);
  }
  return best;
}

}  // namespace nightmill
