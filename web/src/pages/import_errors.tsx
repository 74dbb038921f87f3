// DAG files that cannot be accepted, each with what is wrong and where.
import type { ImportErrorCollection } from '../api/types';
import { plural } from '../base/format';
import { useResource } from '../store/resource';
import { Ago } from '../ui/time';

export function ImportErrors() {
  const view = useResource<ImportErrorCollection>('/api/v2/importErrors?limit=20', (event) =>
    event.kind.startsWith('dag.'),
  );
  const errors = view.data?.import_errors ?? [];
  if (errors.length === 0) return null;
  return (
    <section class="note problem stack tight" aria-label="Broken files">
      <h2>{plural(view.data?.total_entries ?? 0, 'file')} cannot be accepted</h2>
      {errors.map((error) => (
        <details key={error.import_error_id}>
          <summary>
            <span class="mono">{error.filename}</span>{' '}
            <span class="muted small">
              <Ago at={error.timestamp} />
            </span>{' '}
            <span class="small">{error.diagnostics[0]?.message}</span>
          </summary>
          <pre tabIndex={0} aria-label={`Errors of ${error.filename}`}>
            {error.stack_trace}
          </pre>
        </details>
      ))}
    </section>
  );
}
