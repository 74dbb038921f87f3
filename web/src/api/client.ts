// The one way to the daemon: fetch with the session's cookie, errors as problem+json, and an
// Idempotency-Key on every POST, so that a repeat after a lost answer does nothing twice.

export interface ProblemDetail {
  pointer?: string;
  message: string;
  hint?: string | null;
}

// RFC 9457 as the API sends it. Status 0 means that no answer came.
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly code: string,
    readonly errors: ProblemDetail[] = [],
    readonly requestId = '',
    readonly retryAfter = 0,
    readonly hint = '',
  ) {
    super(detail || title);
  }
}

export interface Answer<T> {
  data: T;
  etag: string | null;
  unchanged: boolean; // 304: `data` is not to be read
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  etag?: string | null;
  signal?: AbortSignal;
  idempotencyKey?: string;
}

// Called when the session has ended; the shell shows the login page and keeps the place.
export const onUnauthorized: { call: () => void } = { call: () => undefined };

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  const retryAfter = Number(response.headers.get('Retry-After') ?? 0);
  return new Problem(
    response.status,
    text(body.title) || response.statusText || `HTTP ${response.status}`,
    text(body.detail),
    text(body.code),
    Array.isArray(body.errors) ? (body.errors as ProblemDetail[]) : [],
    text(body.request_id),
    Number.isFinite(retryAfter) ? retryAfter : 0,
    text(body.hint),
  );
}

export async function ask<T>(url: string, options: Ask = {}): Promise<Answer<T>> {
  const method = options.method ?? 'GET';
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET') headers['X-Nightmill'] = '1';
  if (method === 'POST') headers['Idempotency-Key'] = options.idempotencyKey ?? newKey();
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (options.etag) headers['If-None-Match'] = options.etag;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: options.signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'The server does not answer', 'Is the server running?', 'unreachable');
  }
  const etag = response.headers.get('ETag');
  if (response.status === 304) return { data: undefined as T, etag, unchanged: true };
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401 && url !== '/auth/login') onUnauthorized.call();
    throw problem;
  }
  const data = response.status === 204 ? undefined : await response.json();
  return { data: data as T, etag, unchanged: false };
}

export async function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  return (await ask<T>(url, { signal })).data;
}

export async function send<T>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  body?: unknown,
  idempotencyKey?: string,
): Promise<T> {
  return (await ask<T>(url, { method, body, idempotencyKey })).data;
}

export function newKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function asProblem(error: unknown): Problem {
  return error instanceof Problem
    ? error
    : new Problem(0, 'Something broke', String(error), 'page');
}
