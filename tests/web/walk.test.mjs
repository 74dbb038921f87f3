// The daily work by keyboard alone: trigger, watch, log, clear, backfill. No mouse, no locator
// clicks.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, logIn, openPage, settled } from './support/browser.mjs';
import { watchContract } from './support/contract.mjs';
import { startSite } from './support/site.mjs';

const MOST_TABS = 120;
const LONG = 90_000;

let site;
let browser;
let page;
before(async () => {
  site = await startSite({ big: false });
  browser = await launch();
  page = await openPage(browser);
  watchContract(page);
  await logIn(page, site);
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const press = (...keys) =>
  keys.reduce((done, key) => done.then(() => page.keyboard.press(key)), Promise.resolve());

// Tab until the element that matches has the focus, and the focus can be seen.
async function tabTo(selector) {
  await page.locator(selector).first().waitFor();
  for (let i = 0; i < MOST_TABS; i++) {
    const here = await page.evaluate((wanted) => {
      const at = document.activeElement;
      return at !== null && at.matches(wanted) && { outline: getComputedStyle(at).outlineStyle };
    }, selector);
    if (here)
      return assert.notEqual(here.outline, 'none', `the focus of ${selector} is not visible`);
    await press('Tab');
  }
  return assert.fail(`Tab does not reach ${selector}`);
}

const said = (pattern) =>
  page.waitForFunction(
    (text) => new RegExp(text).test(document.querySelector('.page-head')?.textContent ?? ''),
    pattern,
    { timeout: LONG },
  );

test('trigger from the palette and watch the run end', async () => {
  await press('Control+k');
  await page.keyboard.type('flaky_export trigger');
  await page.locator('[role=option]', { hasText: 'flaky_export' }).first().waitFor();
  await press('Enter');
  await page.getByRole('heading', { name: 'Trigger flaky_export' }).waitFor();
  await tabTo('button.primary');
  await press('Enter');
  await page.waitForURL(/\/dags\/flaky_export\/runs\//);
  await said('running');
  await said('failed|success');
  assert.match(await page.locator('table.tasks').textContent(), /export/);
});

test('open the log of a task, filter it and come back', async () => {
  await tabTo('table.tasks a');
  await press('Enter');
  await page.getByRole('log').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.log-line').length > 0, undefined, {
    timeout: LONG,
  });
  await press('/');
  await page.keyboard.type('zzz');
  await page.getByText('No line fits the filter.').waitFor();
  await press('Control+a', 'Backspace', 'Tab', 'u');
  await page.waitForURL(/\/runs\/[^/]+$/);
});

test('a key typed ahead counts for the page that has just come', async () => {
  await press('c');
  await page.getByRole('heading', { name: /^Clear/ }).waitFor();
  await page.evaluate(async () => {
    const type = (key) =>
      document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    type('u');
    // The router and Preact draw the run's page in microtasks; no frame passes.
    for (let i = 0; i < 20; i++) await null;
    type('c');
  });
  await page.waitForURL(/\/clear/);
  await press('u');
  await page.waitForURL(/\/runs\/[^/]+$/);
});

test('clear: the list first, then the button; the run goes on', async () => {
  await press('c');
  await page.waitForURL(/\/clear/);
  await page.waitForFunction(() =>
    /Clear \d+ task instance/.test(document.querySelector('[data-confirm]')?.textContent ?? ''),
  );
  const listed = await page.locator('main table tbody tr').count();
  assert.ok(listed >= 2, `${listed} rows`);
  await tabTo('[data-confirm]:not(:disabled)');
  await press('Enter');
  await page.waitForURL(/\/runs\/[^/]+$/);
  // On a real server it may be over again before it is drawn, so the server is asked.
  const address = new URL(page.url()).pathname.replace('/runs/', '/dagRuns/');
  await page.waitForFunction(
    async (at) => {
      const run = await (await fetch(at)).json();
      return run.clear_number > 0 && /success|failed/.test(run.state);
    },
    `/api/v2${address}`,
    { timeout: LONG, polling: 300 },
  );
  await said('success|failed');
});

test('the grid by arrow keys: move, show, open', async () => {
  await press('g', 'd');
  await page.getByRole('heading', { name: 'DAGs' }).waitFor();
  await press('/');
  await page.keyboard.type('user_features');
  await tabTo('.dag-name a');
  await press('Enter');
  // The canvas draws the focus of a cell, no outline does.
  await tabTo('[data-grid-cell]').catch((error) => assert.match(error.message, /focus of/));
  const cell = page.locator('[data-grid-cell]');
  const before = await cell.textContent();
  // Past the row of the group, where Space would fold it.
  await press('ArrowLeft', 'ArrowDown', 'ArrowDown');
  assert.notEqual(await cell.textContent(), before);
  assert.match(
    await cell.textContent(),
    /, \d{4}-\d\d-\d\d .* UTC, (success|failed|skipped|upstream failed|not started|running)/,
  );
  await press('Space');
  await page.getByRole('complementary', { name: 'Chosen' }).waitFor();
  await press('Enter');
  await page.waitForURL(/\/runs\//);
});

test('backfill: range, preview with verdicts, live strip, pause and resume', async () => {
  await press('g', 'b');
  await tabTo('a.primary[href="/backfills/new"]');
  await press('Enter');
  await page.getByRole('heading', { name: 'New backfill' }).waitFor();
  await settled(page);
  const oldest = await page.evaluate(async () => {
    const list = await (await fetch('/api/v2/dags/user_features/dagRuns?limit=100')).json();
    return Math.min(
      ...list.dag_runs.map((run) => Date.parse(run.logical_date)).filter(Number.isFinite),
    );
  });
  const digits = (days) => new Date(oldest + days * 864e5).toISOString().slice(0, 10).split('-');
  await tabTo('select');
  await page.keyboard.type('user_features');
  for (const [index, days] of [-3, 1].entries()) {
    await tabTo(`label:nth-of-type(${index + 2}) input[type=date]`);
    const [year, month, day] = digits(days);
    await page.keyboard.type(`${month}${day}${year}`);
  }
  await page.getByText(/\d runs? to create/).waitFor();
  assert.match(await page.getByRole('table', { name: 'Preview' }).textContent(), /create.*skip/s);
  await tabTo('button.primary:not(:disabled)');
  await press('Enter');
  await page.waitForURL(/\/backfills\/\d+$/);
  await said('active|completed');
  await tabTo('.actions button');
  await press('Enter');
  await said('paused|completed');
  if (await page.getByRole('button', { name: 'Resume' }).count()) {
    await tabTo('.actions button.primary');
    await press('Enter');
  }
  // The demo has no data of dates before its own: on a real server they wait for it.
  await said(site.real ? 'active|completed' : 'completed');
  await page.getByRole('img', { name: /dates done/ }).waitFor();
});

test('help names the keys of the page', async () => {
  await press('?');
  const help = page.getByRole('dialog', { name: 'Keyboard help' });
  await help.waitFor();
  assert.match(await help.textContent(), /command palette/);
  await press('Escape');
  await help.waitFor({ state: 'detached' });
});

test('nothing went wrong on the way', () => assert.deepEqual(page.faults, []));
