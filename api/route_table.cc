// The table of routes (routes.h). openapi.json says the same to callers; a test compares the two.
#include <array>

#include "api/handlers/handlers.h"
#include "core/base/limits.h"

namespace nightmill {
namespace {

constexpr std::size_t kNone = 0;
constexpr std::size_t kBody = limits::kMaxRequestBody;
constexpr std::size_t kDagBody = limits::kMaxDagBody;

// The four bounds of an instant.
#define NM_RANGE(name) " " name "_gte " name "_gt " name "_lte " name "_lt"

constexpr std::string_view kRunFilters =
    "limit offset cursor order_by state run_type run_id_pattern"  //
    NM_RANGE("run_after") NM_RANGE("logical_date") NM_RANGE("start_date") NM_RANGE("end_date");
constexpr std::string_view kTaskFilters =
    "limit offset cursor order_by task_id map_index state"  //
    NM_RANGE("start_date") NM_RANGE("end_date");
constexpr std::string_view kItemFilters =
    "limit offset cursor order_by map_index state"  //
    NM_RANGE("start_date") NM_RANGE("end_date");

#undef NM_RANGE

constexpr std::array kRoutes = {
    Route{"GET", "/health", Role::kPublic, kNone, GetHealth},
    Route{"GET", "/livez", Role::kPublic, kNone, GetLivez},
    Route{"GET", "/readyz", Role::kPublic, kNone, GetHealth},
    Route{"GET", "/openapi.json", Role::kViewer, kNone, GetOpenApi, "", Tagging::kEntry},
    Route{"POST", "/auth/token", Role::kPublic, kBody, PostToken},
    Route{"POST", "/auth/login", Role::kPublic, kBody, PostLogin},
    Route{"POST", "/auth/logout", Role::kViewer, kNone, PostLogout},
    Route{"GET", "/auth/session", Role::kViewer, kNone, GetSession},
    Route{"GET", "/api/v2/monitor/health", Role::kPublic, kNone, GetMonitorHealth},
    Route{"GET", "/api/v2/version", Role::kPublic, kNone, GetVersion},
    Route{"GET", "/api/v2/operators", Role::kViewer, kNone, GetOperators, "limit offset order_by"},
    Route{"GET", "/api/v2/workers", Role::kViewer, kNone, GetWorkers, "limit offset order_by"},
    Route{"GET", "/api/v2/eventLogs", Role::kViewer, kNone, GetEventLogs,
          "limit offset cursor order_by dag_id run_id task_id event", Tagging::kList},
    Route{"GET", "/api/v2/eventLogs/{event_log_id}", Role::kViewer, kNone, GetEventLog},
    Route{"POST", "/api/v2/shutdown", Role::kAdmin, kBody, PostShutdown},
    Route{"GET", "/api/v2/events", Role::kViewer, kNone, GetEvents, "topics"},
    Route{"GET", "/api/v2/dags", Role::kViewer, kNone, GetDags,
          "limit offset order_by tags tags_match_mode owners dag_id_pattern paused",
          Tagging::kList},
    Route{"POST", "/api/v2/dags/validate", Role::kViewer, kDagBody, PostValidate, "file"},
    Route{"GET", "/api/v2/dags/{dag_id}", Role::kViewer, kNone, GetDag, "", Tagging::kEntry},
    Route{"PATCH", "/api/v2/dags/{dag_id}", Role::kOperator, kBody, PatchDag, "update_mask",
          Tagging::kEntry},
    Route{"GET", "/api/v2/dags/{dag_id}/details", Role::kViewer, kNone, GetDagDetails, "",
          Tagging::kEntry},
    Route{"GET", "/api/v2/dags/{dag_id}/tasks", Role::kViewer, kNone, GetDagTasks,
          "limit offset order_by", Tagging::kEntry},
    Route{"GET", "/api/v2/dags/{dag_id}/tasks/{task_id}", Role::kViewer, kNone, GetDagTask},
    Route{"GET", "/api/v2/dags/{dag_id}/next", Role::kViewer, kNone, GetDagNext, "n"},
    Route{"PUT", "/api/v2/dags/{dag_id}/source", Role::kAuthor, kDagBody, PutDagSource,
          "file fileloc"},
    Route{"GET", "/api/v2/dagSources/{dag_id}", Role::kViewer, kNone, GetDagSource,
          "version_number", Tagging::kEntry},
    Route{"GET", "/api/v2/dags/{dag_id}/dagVersions", Role::kViewer, kNone, GetDagVersions,
          "limit offset order_by"},
    Route{"GET", "/api/v2/dags/{dag_id}/dagVersions/{version_number}", Role::kViewer, kNone,
          GetDagVersion},
    Route{"GET", "/api/v2/dagTags", Role::kViewer, kNone, GetDagTags,
          "limit offset order_by tag_name_pattern"},
    Route{"GET", "/api/v2/dagStats", Role::kViewer, kNone, GetDagStats, "dag_ids"},
    Route{"GET", "/api/v2/importErrors", Role::kViewer, kNone, GetImportErrors,
          "limit offset order_by filename_pattern"},
    Route{"GET", "/api/v2/importErrors/{import_error_id}", Role::kViewer, kNone, GetImportError},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns", Role::kViewer, kNone, GetDagRuns, kRunFilters,
          Tagging::kList},
    Route{"POST", "/api/v2/dags/{dag_id}/dagRuns", Role::kOperator, kBody, PostDagRun},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", Role::kViewer, kNone, GetDagRun, "",
          Tagging::kEntry},
    Route{"PATCH", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", Role::kOperator, kBody,
          PatchDagRun, "update_mask", Tagging::kEntry},
    Route{"POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear", Role::kOperator, kBody,
          PostClearRun},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait", Role::kViewer, kNone, GetWait,
          "interval result timeout"},
    Route{"POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/cancel", Role::kOperator, kBody,
          PostCancelRun},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/explain", Role::kViewer, kNone,
          GetRunExplain},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances", Role::kViewer, kNone,
          GetTaskInstances, kTaskFilters, Tagging::kList},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}",
          Role::kViewer, kNone, GetTaskInstance, "map_index", Tagging::kEntry},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/listMapped",
          Role::kViewer, kNone, GetMappedTaskInstances, kItemFilters},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries",
          Role::kViewer, kNone, GetTries, "map_index limit offset order_by"},
    Route{"GET",
          "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries/"
          "{task_try_number}",
          Role::kViewer, kNone, GetTry, "map_index"},
    Route{"GET",
          "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
          Role::kViewer, kNone, GetLogs, "map_index full_content token"},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies",
          Role::kViewer, kNone, GetTaskDependencies, "map_index"},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/explain",
          Role::kViewer, kNone, GetTaskExplain, "map_index"},
    Route{"GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
          Role::kViewer, kNone, GetTaskInstance, "", Tagging::kEntry},
    Route{"GET",
          "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries",
          Role::kViewer, kNone, GetTries, "limit offset order_by"},
    Route{"GET",
          "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries/"
          "{task_try_number}",
          Role::kViewer, kNone, GetTry},
    Route{"GET",
          "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/"
          "dependencies",
          Role::kViewer, kNone, GetTaskDependencies},
    Route{"POST", "/api/v2/dags/{dag_id}/clearTaskInstances", Role::kOperator, kBody,
          PostClearTasks},
    Route{"GET", "/api/v2/backfills", Role::kViewer, kNone, GetBackfills,
          "limit offset order_by dag_id state", Tagging::kList},
    Route{"POST", "/api/v2/backfills", Role::kOperator, kBody, PostBackfill},
    Route{"POST", "/api/v2/backfills/dry_run", Role::kViewer, kBody, PostBackfillDryRun,
          "limit offset"},
    Route{"GET", "/api/v2/backfills/{backfill_id}", Role::kViewer, kNone, GetBackfill, "",
          Tagging::kEntry},
    Route{"GET", "/api/v2/backfills/{backfill_id}/dagRuns", Role::kViewer, kNone, GetBackfillSlots,
          "limit offset cursor seq_gte"},
    Route{"PUT", "/api/v2/backfills/{backfill_id}/pause", Role::kOperator, kBody, PutBackfillPause},
    Route{"POST", "/api/v2/backfills/{backfill_id}/pause", Role::kOperator, kBody,
          PutBackfillPause},
    Route{"PUT", "/api/v2/backfills/{backfill_id}/unpause", Role::kOperator, kBody,
          PutBackfillUnpause},
    Route{"POST", "/api/v2/backfills/{backfill_id}/unpause", Role::kOperator, kBody,
          PutBackfillUnpause},
    Route{"PUT", "/api/v2/backfills/{backfill_id}/cancel", Role::kOperator, kBody,
          PutBackfillCancel},
    Route{"POST", "/api/v2/backfills/{backfill_id}/cancel", Role::kOperator, kBody,
          PutBackfillCancel},
    Route{"GET", "/api/v2/slas", Role::kViewer, kNone, GetSlas,
          "limit offset order_by dag_id state", Tagging::kEntry},
    Route{"GET", "/api/v2/slaMisses", Role::kViewer, kNone, GetSlaMisses,
          "limit offset cursor dag_id dag_run_id state", Tagging::kList},
    Route{"GET", "/api/v2/notifiers", Role::kViewer, kNone, GetNotifiers, "limit offset order_by"},
    Route{"POST", "/api/v2/notifiers/{name}/test", Role::kOperator, kBody, PostNotifierTest},
    Route{"GET", "/api/v2/deliveries", Role::kViewer, kNone, GetDeliveries,
          "limit offset cursor dag_id notifier state event", Tagging::kEntry},
    Route{"GET", "/api/v2/deliveries/{delivery_id}", Role::kViewer, kNone, GetDelivery},
    Route{"POST", "/api/v2/deliveries/{delivery_id}/redeliver", Role::kOperator, kBody,
          PostRedeliver},
    Route{"GET", "/api/v2/pools", Role::kViewer, kNone, GetPools,
          "limit offset order_by pool_name_pattern"},
    Route{"POST", "/api/v2/pools", Role::kOperator, kBody, PostPool},
    Route{"GET", "/api/v2/pools/{pool_name}", Role::kViewer, kNone, GetPool, "", Tagging::kEntry},
    Route{"PATCH", "/api/v2/pools/{pool_name}", Role::kOperator, kBody, PatchPool, "update_mask",
          Tagging::kEntry},
    Route{"DELETE", "/api/v2/pools/{pool_name}", Role::kOperator, kNone, DeletePool},
    Route{"GET", "/ui/home", Role::kViewer, kNone, GetHome, "", Tagging::kPage},
    Route{"GET", "/ui/timeline", Role::kViewer, kNone, GetTimeline, "from to limit offset",
          Tagging::kPage},
    Route{"GET", "/ui/dags", Role::kViewer, kNone, GetDagCards,
          "limit offset order_by tags tags_match_mode owners dag_id_pattern paused "
          "last_dag_run_state",
          Tagging::kPage},
    Route{"GET", "/ui/grid/{dag_id}", Role::kViewer, kNone, GetGrid, "limit cursor state run_type",
          Tagging::kPage},
    Route{"GET", "/ui/graph/{dag_id}", Role::kViewer, kNone, GetGraph, "dag_run_id version_number",
          Tagging::kPage},
    Route{"GET", "/ui/backfills/{backfill_id}", Role::kViewer, kNone, GetBackfillStrip, "",
          Tagging::kPage},
};

}  // namespace

std::span<const Route> Routes() { return kRoutes; }

}  // namespace nightmill
