// Every page, light and dark, wide and narrow: nothing on the console, nothing that axe calls
// serious, no sideways scrolling, answers as openapi.json says. Screenshots go to build/web-shots.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, logIn, openPage, settled } from './support/browser.mjs';
import { watchContract } from './support/contract.mjs';
import { placesOf } from './support/pages.mjs';
import { SHOTS } from './support/place.mjs';
import { startSite } from './support/site.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIEWS = [
  ['light', 1440],
  ['dark', 1440],
  ['light', 360],
  ['dark', 360],
];

let site;
let browser;
before(async () => {
  site = await startSite();
  browser = await launch();
  mkdirSync(SHOTS, { recursive: true });
});
after(async () => {
  await browser?.close();
  await site?.close();
});

async function seriousFindings(page) {
  // By evaluate: the CSP rightly refuses a script tag.
  await page.evaluate(AXE);
  const found = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'] }),
  );
  return found.violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .map(
      (one) =>
        `${one.id}: ${one.help}: ${one.nodes
          .slice(0, 3)
          .map((node) => node.html.slice(0, 160))
          .join(' | ')}`,
    );
}

// A backfill to look at, if there is none yet.
async function haveBackfill(page) {
  await page.evaluate(async () => {
    const known = await (await fetch('/api/v2/backfills?limit=1')).json();
    if (known.total_entries > 0) return;
    const runs = await (
      await fetch('/api/v2/dags/user_features/dagRuns?limit=50&order_by=logical_date')
    ).json();
    const first = Date.parse(runs.dag_runs.at(-1).logical_date);
    const day = (ms) => new Date(ms).toISOString().slice(0, 10);
    await fetch('/api/v2/backfills', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Nightmill': '1' },
      body: JSON.stringify({
        dag_id: 'user_features',
        from_date: day(first - 20 * 864e5),
        to_date: day(first),
        max_active_runs: 2,
      }),
    });
  });
}

test('the login page', async () => {
  for (const [scheme, width] of VIEWS) {
    const page = await openPage(browser, { scheme, width });
    page.expected.push('401 GET /auth/session', '401 POST /auth/login');
    watchContract(page);
    await page.goto(`${site.url}/dags?q=user`);
    await page.getByLabel('Token').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    await page.screenshot({ path: join(SHOTS, `login-${scheme}-${width}.png`) });
    await page.getByLabel('Token').fill(site.token);
    await page.getByRole('button', { name: 'Log in' }).click();
    // The place asked for is shown after the login.
    await page.getByRole('heading', { name: 'DAGs' }).waitFor();
    assert.equal(await page.getByLabel('Filter DAGs').inputValue(), 'user');
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});

for (const [scheme, width] of VIEWS) {
  test(`all pages, ${scheme}, ${width} px`, async (t) => {
    const page = await openPage(browser, { scheme, width, height: width === 360 ? 800 : 900 });
    watchContract(page);
    await logIn(page, site);
    await haveBackfill(page);
    const places = await placesOf(page);
    assert.ok(places.backfill, 'there is a backfill to look at');
    for (const [name, path] of Object.entries(places)) {
      await t.test(name, async () => {
        await page.goto(site.url + path);
        await settled(page);
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        await page.screenshot({ path: join(SHOTS, `${name}-${scheme}-${width}.png`) });
        assert.ok(wide <= 0, `the page is ${wide} px too wide`);
        assert.deepEqual(await seriousFindings(page), []);
        assert.equal(await page.locator('h1').count(), 1);
        assert.deepEqual(page.faults.splice(0), []);
      });
    }
    await page.context().close();
  });
}
