// Pools: who may run how much at once. Slots by state; the number can be changed in place.
import { useState } from 'preact/hooks';

import { asProblem, type Problem, send } from '../api/client';
import type { Pool, PoolCollection } from '../api/types';
import { count } from '../base/format';
import { LOOKS } from '../base/states';
import { path } from '../base/url';
import { useEvery, useResource } from '../store/resource';
import { may } from '../store/session';
import { PageHead, ProblemNote } from '../ui/parts';
import { announce } from '../ui/live';

const PARTS = [
  ['running', 'running_slots'],
  ['queued', 'queued_slots'],
  ['deferred', 'deferred_slots'],
  ['scheduled', 'scheduled_slots'],
] as const;

function Slots({ pool }: { pool: Pool }) {
  const wanted = pool.occupied_slots + pool.scheduled_slots;
  const whole = Math.max(pool.slots, wanted, 1);
  let x = 0;
  return (
    <svg
      class="slots"
      width="100%"
      height="14"
      role="img"
      aria-label={
        `${pool.occupied_slots} of ${pool.slots} slots held, ` +
        `${pool.scheduled_slots} waited for`
      }
    >
      <rect width="100%" height="14" rx="2" class="slots-back" />
      {PARTS.map(([state, field]) => {
        const wide = (100 * pool[field]) / whole;
        const at = x;
        x += wide;
        return (
          wide > 0 && (
            <rect
              key={state}
              x={`${at}%`}
              width={`${wide}%`}
              height="14"
              fill={LOOKS[state].fill}
              class="slots-part"
            >
              <title>{`${pool[field]} ${state}`}</title>
            </rect>
          )
        );
      })}
      {pool.slots > 0 && pool.slots < whole && (
        <line
          x1={`${(100 * pool.slots) / whole}%`}
          x2={`${(100 * pool.slots) / whole}%`}
          y1="0"
          y2="14"
          class="now-line"
        />
      )}
    </svg>
  );
}

function PoolRow({ pool, refresh }: { pool: Pool; refresh: () => Promise<void> }) {
  const [slots, setSlots] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      await send('PATCH', path`/api/v2/pools/${pool.name}`, { slots: Number(slots) });
      announce(`${pool.name} has ${slots} slots`);
      setSlots(null);
      setProblem(null);
    } catch (error) {
      setProblem(asProblem(error));
    }
    await refresh();
  };
  return (
    <tr>
      <td>
        <span class="strong">{pool.name}</span>
        {pool.description && <span class="small muted text block">{pool.description}</span>}
        <ProblemNote problem={problem} />
      </td>
      <td class="pool-bar wide-only">
        <Slots pool={pool} />
      </td>
      <td class="num">{count(pool.running_slots)}</td>
      <td class="num wide-only">{count(pool.queued_slots)}</td>
      <td class="num">{count(pool.scheduled_slots)}</td>
      <td class="num wide-only">
        {pool.open_slots < 0 && pool.slots < 0 ? 'no limit' : count(pool.open_slots)}
      </td>
      <td class="num">
        {slots === null ? (
          <span class="nowrap">{pool.slots < 0 ? 'no limit' : count(pool.slots)}</span>
        ) : (
          <form class="row tight end" onSubmit={save}>
            <input
              type="number"
              min="-1"
              class="short"
              aria-label={`Slots of ${pool.name}`}
              value={slots}
              autoFocus
              onInput={(event) => setSlots(event.currentTarget.value)}
            />
            <button class="primary">Save</button>
            <button type="button" onClick={() => setSlots(null)}>
              Keep
            </button>
          </form>
        )}
      </td>
      {may('admin') && (
        <td class="num">
          {slots === null && (
            <button
              class="plain small"
              aria-label={`edit slots of ${pool.name}`}
              onClick={() => setSlots(String(pool.slots))}
            >
              edit
            </button>
          )}
        </td>
      )}
    </tr>
  );
}

export default function PoolsPage() {
  const view = useResource<PoolCollection>('/api/v2/pools');
  useEvery(3, view);
  return (
    <>
      <PageHead
        title="Pools"
        below={
          <span class="muted">
            Slots that tasks hold while they run; -1 slots: no limit, 0: closed.
          </span>
        }
      />
      <ProblemNote problem={view.error} />
      {view.data && (
        <div class="scroll-x">
          <table class="pools">
            <thead>
              <tr>
                <th>Pool</th>
                <th class="wide-only">Slots</th>
                <th class="num">Running</th>
                <th class="num wide-only">Queued</th>
                <th class="num">Waiting</th>
                <th class="num wide-only">Open</th>
                <th class="num">In all</th>
                {may('admin') && (
                  <th>
                    <span class="visually-hidden">Actions</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {view.data.pools.map((pool) => (
                <PoolRow key={pool.name} pool={pool} refresh={view.refresh} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
