// Deadlines and alerts: what is late or was, what did not arrive, and what one does about it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, logIn, openPage } from './support/browser.mjs';
import { watchContract } from './support/contract.mjs';
import { startSite } from './support/site.mjs';

let site;
let browser;
let page;
// A notifier whose receiver takes what comes, and one that is off.
let well;
let off;
before(async () => {
  site = await startSite();
  [well, off] = site.real ? ['taken', 'gone'] : ['hook', 'slack-data'];
  browser = await launch();
  page = await openPage(browser);
  watchContract(page);
  await logIn(page, site);
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const region = (name) => page.getByRole('region', { name });
const rowOf = (where, ...texts) =>
  texts.reduce((rows, text) => rows.filter({ hasText: text }), where.getByRole('row')).first();

test('home says what is late, what did not arrive and who is not told', async () => {
  await page.goto(`${site.url}/`);
  const item = (word) =>
    region('Needs attention').getByRole('listitem').filter({ hasText: word }).first();
  await item(/at risk|SLA missed/).getByRole('link', { name: 'hourly_fanout' }).waitFor();
  await item('notifier off').getByRole('link', { name: off }).waitFor();
  await item('not delivered').getByRole('link').click();
  await page.waitForURL(/\/alerts\?state=dead$/);
});

test('the SLA board: the deadline at hand with what holds it up, and those past', async () => {
  await page.goto(`${site.url}/sla`);
  const board = page.locator('table.slas');
  const late = rowOf(board, 'hourly_fanout');
  await late.waitFor();
  assert.match(await late.textContent(), /(at risk|missed).*deadline :45.*(in|over)/);
  await late.getByRole('link', { name: /\[\d+\]$/ }).first().waitFor();
  const past = region('Warned and missed');
  const landed = site.real ? rowOf(past, 'late_report') : rowOf(past, 'hourly_fanout');
  assert.match(await landed.textContent(), /landed \d+(\.\d+)? m?s? ?(\d+ s )?late/);
});

test('alerts: who is off and why, and only the dead on request', async () => {
  await page.goto(`${site.url}/alerts`);
  const notifiers = region('Notifiers');
  await rowOf(notifiers, off, 'off: ', '410 Gone').waitFor();
  const deliveries = region('Deliveries');
  await rowOf(deliveries, 'delivered').waitFor();
  await page.getByRole('button', { name: 'dead' }).click();
  await page.waitForURL(/state=dead$/);
  await rowOf(deliveries, 'delivered').waitFor({ state: 'detached' });
  await rowOf(deliveries, 'dead').waitFor();
});

test('alerts: the message as sent, a sample, and once more', async () => {
  await page.goto(`${site.url}/alerts?state=delivered`);
  const deliveries = region('Deliveries');
  await deliveries.getByRole('button', { name: 'Body' }).first().click();
  await deliveries.locator('pre').waitFor();
  const body = JSON.parse(await deliveries.locator('pre').textContent());
  assert.ok(body.type && body.data, JSON.stringify(body));
  await rowOf(region('Notifiers'), well).getByRole('button', { name: 'Test' }).click();
  const sample = rowOf(deliveries, 'test', well);
  await sample.waitFor();
  const tries = async () => Number(await sample.locator('td.num').first().textContent());
  const before = await tries();
  await sample.getByRole('button', { name: 'Redeliver' }).click();
  for (const end = Date.now() + 20_000; Date.now() < end && (await tries()) <= before; )
    await page.waitForTimeout(100);
  assert.ok((await tries()) > before, 'the sample was not sent again');
});

test('nothing went wrong on the way', () => assert.deepEqual(page.faults, []));
