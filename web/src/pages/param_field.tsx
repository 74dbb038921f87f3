// One param of a DAG as an input, by its schema.
import type { Field } from '../base/params';

interface FieldProps {
  field: Field;
  text: string;
  error: string | undefined;
  changed: boolean;
  onChange: (text: string) => void;
}

const TYPES: Record<string, string> = {
  date: 'date',
  'date-time': 'text',
  number: 'text',
  integer: 'text',
  text: 'text',
};

function Input({ field, text, error, onChange }: FieldProps) {
  const id = `param-${field.name}`;
  const common = { id, 'aria-invalid': error !== undefined, 'aria-describedby': `${id}-help` };
  if (field.widget === 'boolean') {
    return (
      <input
        {...common}
        type="checkbox"
        checked={text === 'true'}
        onChange={(event) => onChange(String(event.currentTarget.checked))}
      />
    );
  }
  if (field.widget === 'choice') {
    return (
      <select {...common} value={text} onChange={(event) => onChange(event.currentTarget.value)}>
        {field.initial === undefined && <option value="">choose</option>}
        {field.choices.map((choice) => {
          const value = JSON.stringify(choice);
          return (
            <option key={value} value={value}>
              {typeof choice === 'string' ? choice : value}
            </option>
          );
        })}
      </select>
    );
  }
  if (['long', 'list', 'json'].includes(field.widget)) {
    return (
      <textarea
        {...common}
        rows={field.widget === 'json' ? 4 : 3}
        value={text}
        spellcheck={false}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    );
  }
  return (
    <input
      {...common}
      type={TYPES[field.widget] ?? 'text'}
      value={text}
      spellcheck={false}
      inputMode={
        field.widget === 'integer' ? 'numeric' : field.widget === 'number' ? 'decimal' : undefined
      }
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}

export function ParamField(props: FieldProps) {
  const { field, error, changed } = props;
  const hints = [
    field.help,
    field.widget === 'list' ? 'one a line' : '',
    field.widget === 'json' ? 'JSON' : '',
  ]
    .filter(Boolean)
    .join(' · ');
  return (
    <div class={`param${changed ? ' changed' : ''}`}>
      <label for={`param-${field.name}`} class="row tight">
        <span class="mono strong">{field.label}</span>
        {field.required && <span class="tag">needed</span>}
        {changed && <span class="tag warn-text">differs from default</span>}
      </label>
      <Input {...props} />
      <span id={`param-${field.name}-help`} class="small muted">
        {error && <span class="danger-text">{error}. </span>}
        {hints}
      </span>
    </div>
  );
}
