// Trigger: a form made from the params' schema, the same as JSON, and the command that does it
// elsewhere.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, newKey, Problem, send } from '../api/client';
import type { DagDetails, DagRun } from '../api/types';
import { asCurl, asTriggerCommand } from '../base/copy_as';
import { confOf, type Field, fieldsOf, type Json, textOf } from '../base/params';
import { fromInputUtc } from '../base/time';
import { path, to } from '../base/url';
import { never, useResource } from '../store/resource';
import { announce } from '../ui/live';
import { PageHead, ProblemNote, Section } from '../ui/parts';
import { useIds, useQuery } from '../ui/query';
import { ParamField } from './param_field';

type Mode = 'form' | 'json';

interface Draft {
  conf: Record<string, Json>;
  errors: Record<string, string>;
}

function parseConf(text: string): Draft {
  try {
    const value = JSON.parse(text || '{}') as Json;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { conf: value, errors: {} };
    return { conf: {}, errors: { '': 'conf must be a JSON object' } };
  } catch (error) {
    return { conf: {}, errors: { '': String((error as Error).message) } };
  }
}

function CopyAs({ label, text }: { label: string; text: string }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    announce(`${label} copied`);
  };
  return (
    <div class="copy-as">
      <div class="row spread">
        <h3>{label}</h3>
        <button type="button" class="plain small" onClick={() => void copy()}>
          Copy
        </button>
      </div>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
    </div>
  );
}

// Values of the run that is to be done again, as texts of the fields.
function useRunToRepeat(dag: string, run: string): DagRun | undefined {
  return useResource<DagRun>(run ? path`/api/v2/dags/${dag}/dagRuns/${run}` : null, never).data;
}

export default function TriggerPage() {
  const { dag = '' } = useIds<{ dag: string }>();
  const query = useQuery();
  const [, go] = useLocation();
  const details = useResource<DagDetails>(path`/api/v2/dags/${dag}/details`, never);
  const fields = useMemo(() => fieldsOf(details.data?.params), [details.data]);
  const repeated = useRunToRepeat(dag, query.get('from'));
  const mode: Mode = query.get('mode') === 'json' ? 'json' : 'form';
  const [texts, setTexts] = useState<Record<string, string>>({});
  const [jsonText, setJsonText] = useState('{}');
  const [date, setDate] = useState('');
  const [runId, setRunId] = useState('');
  const [unpause, setUnpause] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [key, setKey] = useState(newKey);
  const conf = repeated?.conf as Record<string, Json> | null | undefined;
  useEffect(() => {
    if (!conf) return;
    setTexts(
      Object.fromEntries(
        fields
          .filter((field) => field.name in conf)
          .map((field) => [field.name, textOf(field, conf[field.name])]),
      ),
    );
    setJsonText(JSON.stringify(conf, null, 2));
  }, [conf, fields]);
  const draft = mode === 'form' ? confOf(fields, texts) : parseConf(jsonText);
  const broken = Object.keys(draft.errors).length > 0;
  const logical = date ? fromInputUtc(date) : null;
  const body = {
    conf: draft.conf,
    logical_date: logical,
    ...(runId ? { dag_run_id: runId } : {}),
    ...(details.data?.is_paused && unpause ? { unpause: true } : {}),
  };
  const address = path`/api/v2/dags/${dag}/dagRuns`;
  const turn = (next: Mode) => {
    if (next === 'json' && !broken) setJsonText(JSON.stringify(draft.conf, null, 2));
    if (next === 'form' && !broken) {
      setTexts(
        Object.fromEntries(
          fields
            .filter((field) => field.name in draft.conf)
            .map((field) => [field.name, textOf(field, draft.conf[field.name])]),
        ),
      );
    }
    query.set({ mode: next === 'json' ? 'json' : null });
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (broken) return;
    setBusy(true);
    try {
      const run = await send<DagRun>('POST', address, body, key);
      go(to.run(dag, run.dag_run_id));
    } catch (error) {
      setProblem(asProblem(error));
      setKey(newKey()); // what is changed now is another request
      setBusy(false);
    }
  };
  const serverErrors = Object.fromEntries(
    (problem?.errors ?? []).map((error) => [
      error.pointer?.replace(/^\/(conf|params)\//, '') ?? '',
      error.message,
    ]),
  );
  return (
    <>
      <PageHead
        title={<>Trigger {dag}</>}
        crumbs={[
          { text: 'DAGs', href: '/dags' },
          { text: dag, href: to.dag(dag) },
        ]}
        below={repeated && <span class="muted">with the values of {repeated.dag_run_id}</span>}
      />
      <ProblemNote problem={details.error} />
      <form class="columns" onSubmit={submit} noValidate>
        <div class="stack form">
          <div class="tabs" role="tablist" aria-label="Params as">
            {(['form', 'json'] as const).map((word) => (
              <button
                key={word}
                type="button"
                role="tab"
                id={`tab-${word}`}
                aria-selected={mode === word}
                aria-controls="params-panel"
                onClick={() => turn(word)}
              >
                {word === 'form' ? 'Form' : 'JSON'}
              </button>
            ))}
          </div>
          <div id="params-panel" role="tabpanel" aria-labelledby={`tab-${mode}`} class="stack">
            {mode === 'form' ? (
              fields.map((field: Field) => (
                <ParamField
                  key={field.name}
                  field={field}
                  text={texts[field.name] ?? textOf(field, field.initial)}
                  error={draft.errors[field.name] ?? serverErrors[field.name]}
                  changed={field.name in draft.conf}
                  onChange={(text) => setTexts({ ...texts, [field.name]: text })}
                />
              ))
            ) : (
              <label class="stack tight">
                <span>
                  conf <span class="muted small">values of params and anything else</span>
                </span>
                <textarea
                  rows={12}
                  spellcheck={false}
                  value={jsonText}
                  aria-invalid={broken}
                  onInput={(event) => setJsonText(event.currentTarget.value)}
                />
                {draft.errors[''] && <span class="danger-text small">{draft.errors['']}</span>}
              </label>
            )}
            {details.data && mode === 'form' && fields.length === 0 && (
              <p class="muted">This DAG has no params.</p>
            )}
          </div>
          <div class="row wrap fields">
            <label class="stack tight">
              <span>
                Logical date<span class="muted small">, UTC; empty: none</span>
              </span>
              <input
                type="datetime-local"
                value={date}
                onInput={(event) => setDate(event.currentTarget.value)}
              />
            </label>
            <label class="stack tight">
              <span>
                Run id<span class="muted small">; empty: made for you</span>
              </span>
              <input
                type="text"
                value={runId}
                spellcheck={false}
                onInput={(event) => setRunId(event.currentTarget.value)}
              />
            </label>
          </div>
          {details.data?.is_paused && (
            <label class="row tight note warn">
              <input type="checkbox" checked={unpause} onChange={() => setUnpause(!unpause)} />
              The DAG is paused: resume it, else the run waits
            </label>
          )}
          <ProblemNote problem={problem} />
          <div class="row">
            <button class="primary" disabled={broken || busy || !details.data}>
              Trigger
            </button>
            <Link class="button" href={to.dag(dag)}>
              Back
            </Link>
            {broken && (
              <span class="danger-text small" role="status">
                {Object.entries(draft.errors)
                  .map(([name, why]) => `${name || 'conf'}: ${why}`)
                  .join('; ')}
              </span>
            )}
          </div>
        </div>
        <aside class="stack" aria-label="The same elsewhere">
          <Section title="The same elsewhere">
            <CopyAs
              label="Command"
              text={asTriggerCommand(dag, draft.conf, logical, runId || null)}
            />
            <CopyAs label="curl" text={asCurl('POST', location.origin + address, body)} />
          </Section>
        </aside>
      </form>
    </>
  );
}
