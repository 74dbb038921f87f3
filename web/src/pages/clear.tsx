// Clear: exactly what it would touch is listed first, from the server's own dry run; then one
// button.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, newKey, Problem, send } from '../api/client';
import type { TaskInstance, TaskInstanceCollection } from '../api/types';
import { plural, runLabel } from '../base/format';
import { path, to } from '../base/url';
import { useKeys } from '../ui/keys';
import { toast } from '../ui/live';
import { PageHead, ProblemNote, Section } from '../ui/parts';
import { useIds, useQuery } from '../ui/query';
import { State } from '../ui/state';
import { Took } from '../ui/time';

interface Target {
  run: string;
  tasks: string[]; // empty: all
}

const SWITCHES: [string, string, string][] = [
  ['down', 'include_downstream', 'and all tasks after them'],
  ['up', 'include_upstream', 'and all tasks before them'],
  ['failed', 'only_failed', 'only failed ones'],
  ['latest', 'run_on_latest_version', 'on the newest version of the DAG'],
];

export function targetsOf(run: string, tasks: string[], pairs: string[]): Target[] {
  if (run) return [{ run, tasks }];
  const out = new Map<string, string[]>();
  for (const pair of pairs) {
    const cut = pair.lastIndexOf('|');
    const list = out.get(pair.slice(0, cut)) ?? [];
    list.push(pair.slice(cut + 1));
    out.set(pair.slice(0, cut), list);
  }
  return [...out].map(([id, list]) => ({ run: id, tasks: list }));
}

function bodyOf(target: Target, switches: Set<string>, dry: boolean): Record<string, unknown> {
  const body: Record<string, unknown> = {
    dry_run: dry,
    dag_run_id: target.run,
    task_ids: target.tasks.length > 0 ? target.tasks : null,
    reset_dag_runs: true,
    only_failed: false,
  };
  for (const [word, field] of SWITCHES) body[field] = switches.has(word);
  return body;
}

async function clearAll(
  dag: string,
  targets: Target[],
  switches: Set<string>,
  dry: boolean,
  key: string,
): Promise<Map<string, TaskInstance[]>> {
  const out = new Map<string, TaskInstance[]>();
  for (const [i, target] of targets.entries()) {
    const answer = await send<TaskInstanceCollection>(
      'POST',
      path`/api/v2/dags/${dag}/clearTaskInstances`,
      bodyOf(target, switches, dry),
      `${key}-${i}`,
    );
    out.set(target.run, answer.task_instances);
  }
  return out;
}

function Preview({ found }: { found: Map<string, TaskInstance[]> }) {
  return (
    <>
      {[...found].map(([run, rows]) => (
        <Section key={run} title={runLabel(run)} note={plural(rows.length, 'task instance')}>
          <table class="compact">
            <thead>
              <tr>
                <th>Task</th>
                <th>State now</th>
                <th class="num">Took</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id}>
                  <td>
                    {row.task_id}
                    {row.map_index >= 0 && <span class="muted">[{row.map_index}]</span>}
                  </td>
                  <td>
                    <State state={row.state} />
                  </td>
                  <td class="num">
                    <Took from={row.start_date} till={row.end_date} seconds={row.duration} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Section>
      ))}
    </>
  );
}

export default function ClearPage() {
  const { dag = '', run = '' } = useIds<{ dag: string; run?: string }>();
  const query = useQuery();
  const [, go] = useLocation();
  const tasks = query.all('task');
  const targets = useMemo(() => targetsOf(run, tasks, query.all('ti')), [run, query.text]);
  const with_ = query.get('with');
  const switches = useMemo(
    () => new Set(with_ ? with_.split(',') : tasks.length > 0 ? ['down'] : []),
    [with_, tasks.length],
  );
  const [found, setFound] = useState<Map<string, TaskInstance[]> | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  // One key for this list: pressing twice, or again after a lost answer, clears once.
  const key = useMemo(newKey, [query.text]);
  useEffect(() => {
    let wanted = true;
    clearAll(dag, targets, switches, true, newKey()).then(
      (answer) => {
        if (!wanted) return;
        setFound(answer);
        setProblem(null);
      },
      (error: unknown) => wanted && setProblem(asProblem(error)),
    );
    return () => {
      wanted = false;
    };
  }, [dag, targets, switches]);
  const total = [...(found?.values() ?? [])].reduce((sum, rows) => sum + rows.length, 0);
  const back = run ? to.run(dag, run) : to.dag(dag);
  const confirm = async () => {
    setBusy(true);
    try {
      await clearAll(dag, targets, switches, false, key);
      toast(`${plural(total, 'task instance')} cleared`);
      go(back);
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  const turn = (word: string) => {
    const next = new Set(switches);
    if (!next.delete(word)) next.add(word);
    query.set({ with: [...next].join(',') || 'none' });
  };
  useKeys([{ keys: 'u', does: 'back without clearing', group: 'Clear', run: () => go(back) }]);
  return (
    <>
      <PageHead
        title="Clear"
        crumbs={[
          { text: 'DAGs', href: '/dags' },
          { text: dag, href: to.dag(dag) },
          ...(run ? [{ text: runLabel(run), href: to.run(dag, run) }] : []),
        ]}
        below={
          <span class="muted">
            {tasks.length > 0
              ? tasks.join(', ')
              : run
                ? 'The whole run'
                : plural(targets.length, 'run')}
            : what is listed here runs again; what it wrote is written anew.
          </span>
        }
      />
      <fieldset class="row wrap plain-set">
        <legend class="visually-hidden">What to clear</legend>
        {SWITCHES.map(([word, , label]) => (
          <label key={word} class="row tight">
            <input type="checkbox" checked={switches.has(word)} onChange={() => turn(word)} />{' '}
            {label}
          </label>
        ))}
      </fieldset>
      <ProblemNote problem={problem} />
      <div class="row wrap">
        <button
          class="primary"
          disabled={!found || total === 0 || busy}
          onClick={() => void confirm()}
          data-confirm
        >
          {found ? `Clear ${plural(total, 'task instance')}` : 'Clear'}
        </button>
        <Link class="button" href={back}>
          Keep everything
        </Link>
        {found && total === 0 && (
          <span class="muted">Nothing fits: there is nothing to clear.</span>
        )}
      </div>
      {found && <Preview found={found} />}
    </>
  );
}
