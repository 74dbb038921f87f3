// The pages of a site as addresses: which DAG, run and task to look at is asked of the server.
async function ask(page, path) {
  return page.evaluate(async (url) => (await fetch(url)).json(), path);
}

// Needs a logged-in page. Works on the mock and on a daemon that has the demo's DAGs.
export async function placesOf(page) {
  const enc = encodeURIComponent;
  const dag = 'user_features';
  const { dag_runs: runs } = await ask(
    page,
    `/api/v2/dags/${dag}/dagRuns?limit=50&order_by=-run_after`,
  );
  const run =
    runs.find((one) => one.state === 'failed') ?? runs.find((one) => one.end_date) ?? runs[0];
  const at = `/dags/${dag}/runs/${enc(run.dag_run_id)}`;
  const { task_instances: tasks } = await ask(
    page,
    `/api/v2/dags/${dag}/dagRuns/${enc(run.dag_run_id)}/taskInstances?limit=1000`,
  );
  const plain =
    tasks.find((one) => one.state === 'failed') ??
    tasks.find((one) => one.map_index < 0 && one.try_number > 0);
  const mapped = tasks.find((one) => one.map_index === 2);
  const day = run.logical_date.slice(0, 10);
  const { backfills } = await ask(page, '/api/v2/backfills?limit=1');
  const out = {
    home: '/',
    dags: '/dags',
    grid: `/dags/${dag}?run=${enc(run.dag_run_id)}`,
    graph: `/dags/${dag}/graph?run=${enc(run.dag_run_id)}&task=features`,
    runs: `/dags/${dag}/runs`,
    code: `/dags/${dag}/code`,
    run: `${at}?open=load`,
    task: `${at}/tasks/${plain.task_id}`,
    clear: `${at}/clear?task=gate`,
    trigger: `/dags/${dag}/trigger`,
    trigger_json: `/dags/${dag}/trigger?mode=json&from=${enc(run.dag_run_id)}`,
    backfill_new: `/backfills/new?dag=${dag}&from=${day}&to=${day}`,
    backfills: '/backfills',
    pools: '/pools',
    sla: '/sla',
    alerts: '/alerts',
    alerts_dead: '/alerts?state=dead',
    no_dag_found: '/dags?q=no-such-dag',
    unknown: '/nowhere',
    mapped: `${at}/tasks/${mapped.task_id}/${mapped.map_index}`,
    mapped_all: `${at}/tasks/${mapped.task_id}`,
  };
  if (backfills[0]) out.backfill = `/backfills/${backfills[0].id}`;
  return out;
}
