// Every handler of the API, one line each; routes.cc names them. A handler parses its request,
// calls one function or query, and renders JSON. Errors become problem+json in one place.
#pragma once

#include "api/routes.h"

namespace nightmill {

// handlers/monitor.cc
Result<HttpResponse> GetLivez(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetHealth(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetMonitorHealth(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetVersion(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetOperators(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetWorkers(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetEventLogs(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetEventLog(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetEvents(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostShutdown(ApiContext&, const HttpRequest&);

// handlers/dags.cc
Result<HttpResponse> GetDags(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDag(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagDetails(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagTasks(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagTask(ApiContext&, const HttpRequest&);
Result<HttpResponse> PatchDag(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostValidate(ApiContext&, const HttpRequest&);
Result<HttpResponse> PutDagSource(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagSource(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagNext(ApiContext&, const HttpRequest&);

// handlers/runs.cc
Result<HttpResponse> GetDagRuns(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostDagRun(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagRun(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetRunExplain(ApiContext&, const HttpRequest&);

// handlers/run_actions.cc
Result<HttpResponse> PostCancelRun(ApiContext&, const HttpRequest&);
Result<HttpResponse> PatchDagRun(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostClearRun(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostClearTasks(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetWait(ApiContext&, const HttpRequest&);

// handlers/tasks.cc
Result<HttpResponse> GetTaskInstances(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetTaskInstance(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetMappedTaskInstances(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetTries(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetTry(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetLogs(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetTaskExplain(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetTaskDependencies(ApiContext&, const HttpRequest&);

// handlers/backfills.cc
Result<HttpResponse> GetBackfills(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostBackfill(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostBackfillDryRun(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetBackfill(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetBackfillSlots(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetBackfillStrip(ApiContext&, const HttpRequest&);
Result<HttpResponse> PutBackfillPause(ApiContext&, const HttpRequest&);
Result<HttpResponse> PutBackfillUnpause(ApiContext&, const HttpRequest&);
Result<HttpResponse> PutBackfillCancel(ApiContext&, const HttpRequest&);

// handlers/pools.cc
Result<HttpResponse> GetPools(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetPool(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostPool(ApiContext&, const HttpRequest&);
Result<HttpResponse> PatchPool(ApiContext&, const HttpRequest&);
Result<HttpResponse> DeletePool(ApiContext&, const HttpRequest&);

// handlers/dag_facts.cc
Result<HttpResponse> GetDagVersions(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagVersion(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagTags(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagStats(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetImportErrors(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetImportError(ApiContext&, const HttpRequest&);

// handlers/alerts.cc
Result<HttpResponse> GetNotifiers(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostNotifierTest(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDeliveries(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDelivery(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostRedeliver(ApiContext&, const HttpRequest&);

// handlers/slas.cc
Result<HttpResponse> GetSlas(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetSlaMisses(ApiContext&, const HttpRequest&);

// handlers/auth.cc
Result<HttpResponse> PostToken(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostLogin(ApiContext&, const HttpRequest&);
Result<HttpResponse> PostLogout(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetSession(ApiContext&, const HttpRequest&);

// handlers/ui_home.cc, handlers/ui_dags.cc
Result<HttpResponse> GetHome(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetTimeline(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetDagCards(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetGrid(ApiContext&, const HttpRequest&);
Result<HttpResponse> GetGraph(ApiContext&, const HttpRequest&);

// handlers/openapi.cc
Result<HttpResponse> GetOpenApi(ApiContext&, const HttpRequest&);

}  // namespace nightmill
