// server.mjs [PORT]: the built page with a small world behind it, for development and for tests of
// the page. The real daemon's headers (CSP, types, cookie, CSRF) hold here too: what would fail
// there fails here.
import { createHash } from 'node:crypto';
import { readFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { seedDeliveries } from './boards.mjs';
import { Fault, logLines, ROUTES } from './routes.mjs';
import { World } from './world.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const DIST = process.env.NM_WEB_DIST ?? join(here, '../../build/web/dist');
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; " +
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
};
const PHRASES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  500: 'Internal Server Error',
};

const table = ROUTES.map(([method, template, handler]) => ({
  method,
  handler,
  pattern: new RegExp(`^${template.replaceAll('{}', '([^/]+)')}$`),
}));

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : {};
}

function problem(response, status, detail, code, path, errors) {
  const body = {
    type: 'about:blank',
    title: PHRASES[status] ?? 'Error',
    status,
    detail,
    instance: path,
    code,
    request_id: 'mock-1',
    ...(errors ? { errors } : {}),
  };
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'application/problem+json' });
  response.end(JSON.stringify(body));
}

function stream(response) {
  response.writeHead(200, {
    ...HEADERS,
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
  });
  response.write(': hello\n\n');
}

function follow(world, query, request, response) {
  const topics = (query.get('topics') ?? '').split(',');
  const wanted = (event) =>
    topics.some((topic) =>
      topic === 'runs'
        ? event.type === 'run.state' || event.type.startsWith('dag.')
        : topic === 'server'
          ? event.type === 'delivery'
          : topic === 'sla'
            ? event.type.startsWith('sla')
            : topic === `dag:${event.dag_id}` ||
              topic === `run:${event.dag_id}/${event.dag_run_id}` ||
              topic === `backfill:${event.backfill_id}`,
    );
  stream(response);
  const send = (event) =>
    wanted(event) && response.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
  const last = Number(request.headers['last-event-id'] ?? world.events.length);
  world.events.slice(last).forEach(send);
  world.listeners.add(send);
  request.on('close', () => world.listeners.delete(send));
}

function tail(world, parts, query, request, response) {
  const run = world.run(parts[0], parts[1]);
  const ti = run?.tis.find(
    (one) => one.task === parts[2] && one.map === Number(query.get('map_index') ?? -1),
  );
  if (!ti) return problem(response, 404, 'no such task', 'not_found', '');
  stream(response);
  let sent = Number(request.headers['last-event-id'] ?? 0);
  const push = () => {
    const lines = logLines(world, run, ti, ti.tries);
    const open = ti.state === 'running';
    if (lines.length > sent || !open) {
      const data = { content: lines.slice(sent), offset: lines.length, open };
      sent = lines.length;
      response.write(`event: log\nid: ${sent}\ndata: ${JSON.stringify(data)}\n\n`);
    }
    if (!open) response.end();
  };
  const timer = setInterval(push, 150);
  push();
  request.on('close', () => clearInterval(timer));
  response.on('finish', () => clearInterval(timer));
  return undefined;
}

function asset(path, response) {
  const name = normalize(path).replace(/^(\.\.[/\\])+/, '');
  const file = join(DIST, name);
  const found = extname(name) && existsSync(file);
  if (extname(name) && name.startsWith('/assets/') && !found)
    return problem(response, 404, 'no such file', 'not_found', path);
  response.writeHead(200, {
    ...HEADERS,
    'Content-Type': found ? TYPES[extname(name)] : TYPES['.html'],
    'Cache-Control':
      found && name.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  response.end(readFileSync(found ? file : join(DIST, 'index.html')));
  return undefined;
}

async function api(world, url, request, response) {
  const path = url.pathname;
  const query = url.searchParams;
  const hits = table
    .map((row) => ({ row, match: row.pattern.exec(path) }))
    .filter((one) => one.match);
  const hit = hits.find((one) => one.row.method === request.method);
  const cookie = /(?:^|; )nm_session=on/.test(request.headers.cookie ?? '');
  if (!cookie && path !== '/auth/login')
    return problem(response, 401, 'log in first', 'unauthenticated', path);
  if (request.method !== 'GET' && request.headers['x-nightmill'] !== '1') {
    return problem(response, 403, 'the header X-Nightmill is missing', 'forbidden', path);
  }
  if (path === '/api/v2/events') return follow(world, query, request, response);
  if (!hit)
    return problem(response, hits.length > 0 ? 405 : 404, `nothing at ${path}`, 'not_found', path);
  const parts = hit.match.slice(1).map(decodeURIComponent);
  if (path.includes('/logs/') && request.headers.accept === 'text/event-stream')
    return tail(world, parts, query, request, response);
  try {
    const answer = hit.row.handler(world, parts, query, await bodyOf(request));
    const [status, body] = Array.isArray(answer) ? answer : [200, answer];
    const text = body === null ? '' : JSON.stringify(body);
    const etag = `"${createHash('sha1').update(text).digest('hex')}"`;
    const headers = {
      ...HEADERS,
      ETag: etag,
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
    };
    if (path === '/auth/login')
      headers['Set-Cookie'] = 'nm_session=on; HttpOnly; SameSite=Strict; Path=/';
    if (path === '/auth/logout') headers['Set-Cookie'] = 'nm_session=; Max-Age=0; Path=/';
    if (request.method === 'GET' && request.headers['if-none-match'] === etag)
      return response.writeHead(304, headers).end();
    response.writeHead(status, headers);
    return response.end(text);
  } catch (error) {
    if (!(error instanceof Fault)) console.error(error);
    const known = error instanceof Fault;
    return problem(
      response,
      known ? error.status : 500,
      String(error.message),
      known ? error.code : 'internal',
      path,
      error.errors,
    );
  }
}

export async function startMock({ port = 0, ...options } = {}) {
  const world = new World(options);
  seedDeliveries(world);
  const timer = setInterval(() => world.step(), 100);
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://mock');
    if (/^\/(api|ui|auth)\//.test(url.pathname)) void api(world, url, request, response);
    else asset(url.pathname, response);
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    world,
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      clearInterval(timer);
      server.closeAllConnections();
      server.close();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.argv[2] ?? 7421) });
  console.log(`${mock.url}/#login=test-code`);
}
