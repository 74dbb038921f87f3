// Alerts: who is told, and what became of each message.
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';

import { asProblem, get, send } from '../api/client';
import type {
  Delivery,
  DeliveryCollection,
  DeliveryDetails,
  Notifier,
  NotifierCollection,
} from '../api/types';
import { pretty, runLabel } from '../base/format';
import { path, to, withQuery } from '../base/url';
import { useEvery, useResource } from '../store/resource';
import { may } from '../store/session';
import { WordFilter } from '../ui/listing';
import { toast, toastProblem } from '../ui/live';
import { Empty, PageHead, ProblemNote, Section } from '../ui/parts';
import { useQuery } from '../ui/query';
import { Glyph } from '../ui/state';
import { Ago, Countdown } from '../ui/time';

const LOOKS: Record<Delivery['state'], string> = {
  delivered: 'success',
  pending: 'queued',
  dead: 'failed',
  silenced: 'skipped',
  dropped: 'removed',
};
const STATES = ['', 'pending', 'delivered', 'dead', 'silenced'];

function NotifierRow({ one, refresh }: { one: Notifier; refresh: () => Promise<unknown> }) {
  const test = async () => {
    try {
      await send('POST', path`/api/v2/notifiers/${one.name}/test`, {});
      toast(`A sample is on its way to ${one.name}`);
    } catch (error) {
      toastProblem(asProblem(error));
    }
    await refresh();
  };
  return (
    <tr>
      <td>
        <span class="strong">{one.name}</span> <span class="muted">{one.type}</span>
        {!one.enabled && (
          <span class="block small text">
            <span class="danger-text">off: {one.disabled_reason}.</span> A sample that it takes
            turns it on.
          </span>
        )}
      </td>
      <td class="wide-only text">{one.target}</td>
      <td class="wide-only">
        {one.events.length > 0 ? (
          <span class="mono">{one.events.join(' ')}</span>
        ) : (
          <span class="muted">what DAGs name it for</span>
        )}
      </td>
      <td class="num">{one.pending}</td>
      <td class="num">{one.dead > 0 ? <span class="danger-text">{one.dead}</span> : 0}</td>
      <td class="num">
        {may('operator') && (
          <button class="small" onClick={() => void test()}>
            Test
          </button>
        )}
      </td>
    </tr>
  );
}

function DeliveryRow({ one, refresh }: { one: Delivery; refresh: () => Promise<unknown> }) {
  const [body, setBody] = useState<unknown>(null);
  const show = async () => {
    if (body !== null) return setBody(null);
    try {
      return setBody(
        (await get<DeliveryDetails>(path`/api/v2/deliveries/${one.delivery_id}`)).body,
      );
    } catch (error) {
      return toastProblem(asProblem(error));
    }
  };
  const again = async () => {
    try {
      await send('POST', path`/api/v2/deliveries/${one.delivery_id}/redeliver`, {});
      toast(`Sent again to ${one.notifier}`);
    } catch (error) {
      toastProblem(asProblem(error));
    }
    await refresh();
  };
  return (
    <>
      <tr>
        <td>
          <span class="state">
            <Glyph state={LOOKS[one.state]} />
            {one.state}
          </span>
        </td>
        <td>
          <span class="strong">{one.event}</span>
          {one.test && <span class="tag">test</span>}
          <span class="block small muted">
            {one.dag_id &&
              (one.dag_run_id ? (
                <Link href={to.run(one.dag_id, one.dag_run_id)}>
                  {one.dag_id} {runLabel(one.dag_run_id)}
                </Link>
              ) : (
                one.dag_id
              ))}
          </span>
          <span class="block small narrow-only">
            {one.notifier}, <Ago at={one.created_at} />{' '}
            <span class="danger-text text">{one.last_error}</span>
          </span>
        </td>
        <td class="wide-only">{one.notifier}</td>
        <td class="wide-only num">{one.tries}</td>
        <td class="wide-only text">
          {one.last_error ? <span class="danger-text">{one.last_error}</span> : one.last_status}
          {one.next_try_at && (
            <span class="muted small">
              {' '}
              again <Countdown at={one.next_try_at} />
            </span>
          )}
        </td>
        <td class="num wide-only">
          <Ago at={one.created_at} />
        </td>
        <td class="num">
          <span class="row tight end wrap">
            <button class="plain small" aria-expanded={body !== null} onClick={() => void show()}>
              Body
            </button>
            {may('operator') && one.state !== 'pending' && (
              <button class="small" onClick={() => void again()}>
                Redeliver
              </button>
            )}
          </span>
        </td>
      </tr>
      {body !== null && (
        <tr>
          <td colSpan={7}>
            <pre class="card" tabIndex={0}>
              {pretty(body)}
            </pre>
          </td>
        </tr>
      )}
    </>
  );
}

export default function AlertsPage() {
  const query = useQuery();
  const state = query.get('state');
  const touches = (event: { kind: string }) =>
    event.kind.startsWith('delivery') || event.kind.startsWith('notifier');
  const notifiers = useResource<NotifierCollection>('/api/v2/notifiers', touches);
  const view = useResource<DeliveryCollection>(
    withQuery('/api/v2/deliveries', { limit: 100, state }),
    touches,
  );
  useEvery(5, view);
  const refresh = () => Promise.all([view.refresh(), notifiers.refresh()]);
  const rows = view.data?.deliveries ?? [];
  return (
    <>
      <PageHead
        title="Alerts"
        below={<span class="muted">Who is told of what, and what became of each message.</span>}
      />
      <ProblemNote problem={notifiers.error ?? view.error} />
      {notifiers.data && (
        <Section title="Notifiers">
          {notifiers.data.notifiers.length === 0 ? (
            <Empty
              text="Nobody is told yet. In the file of nightmill server --config:"
              command={
                '"notifiers": {"mail": {"type": "command", "argv": ["mail-alert"], ' +
                '"events": ["run.failed", "sla.*"]}}'
              }
            />
          ) : (
            <table>
              <thead>
                <tr>
                  <th>Name</th>
                  <th class="wide-only">Goes to</th>
                  <th class="wide-only">Events</th>
                  <th class="num">Pending</th>
                  <th class="num">Dead</th>
                  <th>
                    <span class="visually-hidden">Test</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {notifiers.data.notifiers.map((one) => (
                  <NotifierRow key={one.name} one={one} refresh={refresh} />
                ))}
              </tbody>
            </table>
          )}
        </Section>
      )}
      <Section title="Deliveries" note="newest first">
        <WordFilter label="State" name="state" words={STATES} />
        {rows.length > 0 && (
          <table>
            <thead>
              <tr>
                <th>State</th>
                <th>Event</th>
                <th class="wide-only">Notifier</th>
                <th class="wide-only num">Tries</th>
                <th class="wide-only">Last answer</th>
                <th class="num wide-only">When</th>
                <th>
                  <span class="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one) => (
                <DeliveryRow key={one.delivery_id} one={one} refresh={refresh} />
              ))}
            </tbody>
          </table>
        )}
        {view.data && rows.length === 0 && (
          <Empty
            text={state ? `No delivery is ${state}.` : 'Nothing was sent yet. A sample is sent by:'}
            command={state ? undefined : 'nightmill alert test NAME'}
          />
        )}
      </Section>
    </>
  );
}
