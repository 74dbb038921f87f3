// A real daemon with the demo's data, as `nightmill demo` leaves it, and what a demo cannot show:
// two receivers in trouble and a DAG that is late. It has a state directory of its own, removed at
// the end.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { SOURCE } from './place.mjs';

const PATIENCE_MS = 120_000;

// Takes what comes to /taken, wants no more at /gone, cannot at /busy.
async function startReceiver() {
  const ANSWERS = { '/taken': 204, '/gone': 410, '/busy': 500 };
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(ANSWERS[request.url] ?? 404).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const LATE = {
  dag_id: 'late_report',
  description: 'Lands after its deadline, by design',
  tasks: [{ id: 'report', type: 'shell', run: 'sleep 2' }],
  sla: [
    { name: 'at_once', within: '1s', from: 'start', notify: ['gone', 'busy', 'taken'] },
    { name: 'soon', within: '1h', from: 'start', severity: 'info' },
  ],
};

async function until(what, holds) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(100)) {
    const found = await holds();
    if (found) return found;
  }
  throw new Error(`waited too long until ${what}`);
}

export async function startDemo(binary) {
  const folder = mkdtempSync(join(tmpdir(), 'nm-demo-'));
  const state = join(folder, 'state');
  const env = { PATH: process.env.PATH, HOME: folder, TZ: 'UTC' };
  const call = promisify(execFile);
  const nightmill = (...words) => call(binary, [...words, '--state-dir', state], { env });
  const receiver = await startReceiver();
  const close = async () => {
    receiver.closeAllConnections();
    receiver.close();
    if (existsSync(join(state, 'server.json'))) await nightmill('server', 'stop', '--cancel');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await nightmill('demo', '--source', SOURCE);
    await nightmill('server', 'stop', '--cancel');

    // The same server again; its notifiers are read at the start.
    const config = JSON.parse(readFileSync(join(state, 'demo.json'), 'utf8'));
    const address = `127.0.0.1:${receiver.address().port}`;
    for (const name of ['taken', 'gone', 'busy'])
      config.notifiers[name] = { ...config.notifiers.hook, url: `http://${address}/${name}` };
    config.outgoing.allow.push(address);
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    const log = openSync(join(folder, 'server.log'), 'w');
    const slots = String(cpus().length + 2);
    const words = ['server', '--dev', '--state-dir', state, '--next-free-port'];
    const rest = ['--config', join(folder, 'config.json'), '--worker-slots', slots];
    spawn(binary, [...words, ...rest], { env, stdio: ['ignore', log, log] });
    const { url, token_file: tokenFile } = await until('the server answers', () =>
      nightmill('health').then(
        () => JSON.parse(readFileSync(join(state, 'server.json'), 'utf8')),
        () => null,
      ),
    );
    const token = readFileSync(tokenFile, 'utf8').trim();

    writeFileSync(join(folder, 'late_report.json'), JSON.stringify(LATE));
    await nightmill('dag', 'apply', join(folder, 'late_report.json'));
    await nightmill('run', 'trigger', 'late_report', '--wait');
    await until('each receiver has answered', async () => {
      const answer = await fetch(`${url}/api/v2/deliveries?limit=100`, {
        headers: { Authorization: `Bearer ${token}` },
      });
      const { deliveries } = await answer.json();
      const seen = (name, wanted) =>
        deliveries.some((one) => one.notifier === name && one.state === wanted && one.tries > 0);
      return seen('gone', 'dead') && seen('busy', 'pending') && seen('taken', 'delivered');
    });
    return { url, token, real: true, close };
  } catch (error) {
    await close();
    throw error;
  }
}
