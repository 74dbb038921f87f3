// From the API's compact form (newest run first, a letter per cell) to the grid's.
import type { GridAnswer } from '../api/types';
import type { StateWord } from '../base/states';
import type { GridData } from './model';

const WORDS: Record<string, StateWord> = {
  S: 'success',
  R: 'running',
  F: 'failed',
  U: 'upstream_failed',
  Y: 'up_for_retry',
  Q: 'queued',
  C: 'scheduled',
  K: 'skipped',
  D: 'deferred',
  T: 'restarting',
  X: 'removed',
  N: 'none',
  '.': 'none',
};

export function decodeGrid(answer: GridAnswer): GridData {
  const runs = answer.runs.map((run) => ({
    id: run.dag_run_id,
    state: run.state,
    type: run.run_type,
    date: run.logical_date ?? run.run_after,
    duration:
      run.start_date && run.end_date
        ? (Date.parse(run.end_date) - Date.parse(run.start_date)) / 1000
        : null,
    started: run.start_date,
    ended: run.end_date,
  }));
  const states = answer.cells.map((text) => [...text].map((letter) => WORDS[letter] ?? 'none'));
  return {
    tasks: answer.tasks.map((task) => ({
      id: task.task_id,
      label: task.task_display_name,
      group: task.group_id,
      mapped: task.is_mapped,
    })),
    groups: answer.groups.map((group) => ({ id: group.group_id, parent: group.parent_group_id })),
    runs: runs.reverse(),
    states: states.reverse(),
  };
}
