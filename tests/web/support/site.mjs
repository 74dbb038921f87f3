// The server under test: one that runs already (NM_WEB_URL; NM_WEB_TOKEN logs in), else a daemon of
// its own with the demo's data (NM_WEB_DAEMON names the program), else the mock.
import { startMock } from '../../../web/mock/server.mjs';
import { startDemo } from './demo.mjs';

export async function startSite(options = {}) {
  const { NM_WEB_URL: url, NM_WEB_TOKEN: token, NM_WEB_DAEMON: daemon } = process.env;
  if (url) return { url, token: token ?? '', real: true, close: () => undefined };
  if (daemon) return startDemo(daemon);
  const mock = await startMock(options);
  return { ...mock, code: 'test-code', token: 'test-token', real: false };
}
