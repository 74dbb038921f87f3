// The server under test: the one that NM_WEB_URL names (a real daemon; NM_WEB_TOKEN logs in), else
// the mock.
import { startMock } from '../../../web/mock/server.mjs';

export async function startSite(options = {}) {
  const url = process.env.NM_WEB_URL;
  if (url)
    return { url, token: process.env.NM_WEB_TOKEN ?? '', real: true, close: () => undefined };
  const mock = await startMock(options);
  return { ...mock, code: 'test-code', token: 'test-token', real: false };
}
