// The params of a DAG as a form: from JSON Schema to fields, from fields to conf and back. What a
// form cannot show (nested objects, lists of objects) is edited as JSON in its own field.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface ParamSchema {
  type?: string | string[];
  title?: string;
  description?: string | null;
  default?: Json;
  enum?: Json[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  items?: ParamSchema;
}

export type Widget =
  | 'text'
  | 'long'
  | 'number'
  | 'integer'
  | 'boolean'
  | 'choice'
  | 'date'
  | 'date-time'
  | 'list'
  | 'json';

export interface Field {
  name: string;
  label: string;
  help: string;
  widget: Widget;
  nullable: boolean;
  required: boolean; // has no default
  initial: Json | undefined;
  choices: Json[];
  schema: ParamSchema;
}

function typesOf(schema: ParamSchema): string[] {
  if (schema.type === undefined) return [];
  return Array.isArray(schema.type) ? schema.type : [schema.type];
}

function widgetOf(schema: ParamSchema): Widget {
  if (schema.enum) return 'choice';
  const types = typesOf(schema).filter((type) => type !== 'null');
  if (types.length !== 1) return 'json';
  switch (types[0]) {
    case 'boolean':
      return 'boolean';
    case 'integer':
      return 'integer';
    case 'number':
      return 'number';
    case 'array':
      return typesOf(schema.items ?? {})[0] === 'string' ? 'list' : 'json';
    case 'string':
      if (schema.format === 'date') return 'date';
      if (schema.format === 'date-time') return 'date-time';
      return schema.format === 'multiline' ? 'long' : 'text';
    default:
      return 'json';
  }
}

// Accepts both forms of the API: a bare JSON Schema, or Airflow's {value, schema, description}.
export function fieldsOf(params: Record<string, unknown> | null | undefined): Field[] {
  return Object.entries(params ?? {}).map(([name, raw]) => {
    const given = (raw ?? {}) as Record<string, unknown>;
    const wrapped = typeof given.schema === 'object' && given.schema !== null;
    const schema = (wrapped ? given.schema : given) as ParamSchema;
    const initial = (
      wrapped && given.value !== undefined && given.value !== null ? given.value : schema.default
    ) as Json | undefined;
    return {
      name,
      label: schema.title ?? name,
      help: String((wrapped ? given.description : null) ?? schema.description ?? ''),
      widget: widgetOf(schema),
      nullable: typesOf(schema).includes('null'),
      required: initial === undefined,
      initial,
      choices: schema.enum ?? [],
      schema,
    };
  });
}

// The text of a field's value, as its input shows it.
export function textOf(field: Field, value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  if (field.widget === 'list' && Array.isArray(value)) return value.join('\n');
  if (field.widget === 'json' || field.widget === 'choice') return JSON.stringify(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export type Parsed = { ok: true; value: Json | undefined } | { ok: false; message: string };

function parsedNumber(field: Field, text: string): Parsed {
  const value = Number(text);
  if (!Number.isFinite(value)) return { ok: false, message: 'not a number' };
  if (field.widget === 'integer' && !Number.isInteger(value)) {
    return { ok: false, message: 'not a whole number' };
  }
  const { minimum, maximum } = field.schema;
  if (minimum !== undefined && value < minimum)
    return { ok: false, message: `at least ${minimum}` };
  if (maximum !== undefined && value > maximum) return { ok: false, message: `at most ${maximum}` };
  return { ok: true, value };
}

function parsedText(field: Field, text: string): Parsed {
  const { minLength, maxLength } = field.schema;
  if (minLength !== undefined && text.length < minLength) {
    return { ok: false, message: `at least ${minLength} characters` };
  }
  if (maxLength !== undefined && text.length > maxLength) {
    return { ok: false, message: `at most ${maxLength} characters` };
  }
  return { ok: true, value: text };
}

// The value that a text stands for; undefined where the default is to be taken. The server checks
// again, and with all of the schema: this is for quick answers only.
export function parseField(field: Field, text: string): Parsed {
  if (text === '' && field.widget !== 'text' && field.widget !== 'long') {
    if (field.nullable) return { ok: true, value: null };
    return field.required ? { ok: false, message: 'needed' } : { ok: true, value: undefined };
  }
  switch (field.widget) {
    case 'number':
    case 'integer':
      return parsedNumber(field, text);
    case 'boolean':
      return { ok: true, value: text === 'true' };
    case 'list':
      return { ok: true, value: text.split('\n').filter((line) => line !== '') };
    case 'choice':
    case 'json':
      try {
        return { ok: true, value: JSON.parse(text) as Json };
      } catch {
        return { ok: false, message: 'not JSON' };
      }
    default:
      if (text === '' && field.required && !field.nullable && field.schema.minLength !== 0) {
        return { ok: false, message: 'needed' };
      }
      return parsedText(field, text);
  }
}

export function same(a: Json | undefined, b: Json | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

// conf holds only what differs from the defaults: a run then says what was special about it.
export function confOf(
  fields: Field[],
  texts: Record<string, string>,
): { conf: Record<string, Json>; errors: Record<string, string> } {
  const conf: Record<string, Json> = {};
  const errors: Record<string, string> = {};
  for (const field of fields) {
    const text = texts[field.name] ?? textOf(field, field.initial);
    const parsed = parseField(field, text);
    if (!parsed.ok) errors[field.name] = parsed.message;
    else if (parsed.value !== undefined && !same(parsed.value, field.initial)) {
      conf[field.name] = parsed.value;
    }
  }
  return { conf, errors };
}
