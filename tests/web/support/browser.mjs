// A real Chromium for the tests, and a page that notes all that goes wrong on it.
import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

const CANDIDATES = [
  process.env.NM_CHROMIUM,
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

export async function launch() {
  const executablePath = CANDIDATES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('no Chromium here: install chromium-headless-shell');
  return chromium.launch({ executablePath, args: ['--force-prefers-reduced-motion'] });
}

export async function openPage(browser, { scheme = 'light', width = 1440, height = 900 } = {}) {
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const faults = [];
  page.faults = faults;
  // What a test expects to be refused, as "STATUS METHOD path-prefix".
  page.expected = [];
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    // The network's own line for an answer that the test asked for; the answer itself is checked
    // below.
    if (/Failed to load resource: the server responded/.test(message.text())) return;
    faults.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`page error: ${error.message}`));
  page.on('response', (response) => {
    if (response.status() < 400) return;
    const { pathname } = new URL(response.url());
    const line = `${response.status()} ${response.request().method()} ${pathname}`;
    if (!page.expected.some((prefix) => line.startsWith(prefix))) faults.push(line);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (page.origin && url.origin !== page.origin) faults.push(`request to ${url.origin}`);
  });
  return page;
}

export async function logIn(page, base) {
  page.origin = new URL(base.url).origin;
  page.expected.push('401 GET /auth/session');
  if (base.code) {
    await page.goto(`${base.url}/#login=${base.code}`);
  } else {
    await page.goto(`${base.url}/`);
    await page.getByLabel('Token').fill(base.token);
    await page.getByRole('button', { name: 'Log in' }).click();
  }
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
  page.expected.pop();
}

// What is shown has settled: the network was quiet, but for the stream of events, and a frame was
// drawn.
export async function settled(page) {
  let open = 0;
  const quiet = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60))));
  const isStream = (request) => /\/events|\/logs\//.test(request.url());
  const up = (request) => {
    if (!isStream(request)) open += 1;
  };
  const down = (request) => {
    if (!isStream(request)) open -= 1;
  };
  page.on('request', up);
  page.on('requestfinished', down);
  page.on('requestfailed', down);
  for (let calm = 0, tries = 0; calm < 3 && tries < 100; tries++) {
    await quiet();
    calm = open <= 0 ? calm + 1 : 0;
  }
  page.off('request', up);
  page.off('requestfinished', down);
  page.off('requestfailed', down);
}
