// Text from names, notes, params, logs and errors reaches the page as text only.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HOSTILE } from '../../web/mock/world.mjs';
import { launch, logIn, openPage, settled } from './support/browser.mjs';
import { placesOf } from './support/pages.mjs';
import { startSite } from './support/site.mjs';

let site;
let browser;
let page;
before(async () => {
  site = await startSite({ big: false });
  browser = await launch();
  page = await openPage(browser);
  await logIn(page, site);
});
after(async () => {
  await browser?.close();
  await site?.close();
});

// Writes the corpus wherever a user may write, on any server.
async function plant() {
  return page.evaluate(async (texts) => {
    const headers = { 'Content-Type': 'application/json', 'X-Nightmill': '1' };
    const send = async (method, path, body) => {
      const answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
      return answer.json();
    };
    const run = await send('POST', '/api/v2/dags/flaky_export/dagRuns', {
      conf: Object.fromEntries(texts.map((text, i) => [`evil_${i}`, text])),
      note: texts.join('\n'),
    });
    return run.dag_run_id;
  }, HOSTILE);
}

async function clean(where) {
  await settled(page);
  const found = await page.evaluate(() => ({
    ran: window.__xss,
    made: document.querySelectorAll(
      'main script, main img, main iframe, main [onerror], main [onload], a[href^="javascript:"]',
    ).length,
  }));
  assert.deepEqual(found, { ran: undefined, made: 0 }, where);
}

test('what a user writes: note, conf, filters', async () => {
  const run = await plant();
  await page.goto(`${site.url}/dags/flaky_export/runs/${encodeURIComponent(run)}`);
  await clean('run');
  const shown = await page.locator('main').textContent();
  for (const text of HOSTILE) assert.ok(shown.includes(text), `shown as written: ${text}`);
  await page.goto(
    `${site.url}/dags/flaky_export/trigger?mode=json&from=${encodeURIComponent(run)}`,
  );
  await clean('re-run');
  for (const text of HOSTILE) {
    for (const path of [
      `/dags?q=${encodeURIComponent(text)}`,
      `/dags/user_features?q=${encodeURIComponent(text)}&run=${encodeURIComponent(
        text,
      )}&task=${encodeURIComponent(text)}`,
      `/dags?tag=${encodeURIComponent(text)}`,
    ]) {
      await page.goto(site.url + path);
      await clean(path);
    }
  }
  page.expected.push('404', '400');
  for (const text of HOSTILE.slice(0, 3)) {
    await page.goto(`${site.url}/dags/${encodeURIComponent(text)}`);
    await clean(`DAG ${text}`);
  }
});

test('what a program writes: logs, errors, outputs, map items, messages of receivers', async () => {
  for (const [name, path] of Object.entries(await placesOf(page))) {
    await page.goto(site.url + path);
    await clean(name);
  }
  if (site.real) return;
  await page.goto(`${site.url}/alerts`);
  await page.getByRole('button', { name: 'Body' }).first().click();
  await page.getByText(HOSTILE[0]).first().waitFor();
  await clean('alerts');
});

test(
  'the log shows a script as a line',
  { skip: process.env.NM_WEB_URL !== undefined },
  async () => {
    const run = site.world.runs.find((one) => one.dag === 'flaky_export' && one.state === 'failed');
    await page.goto(
      `${site.url}/dags/flaky_export/runs/${encodeURIComponent(run.id)}/tasks/strict`,
    );
    await page.getByText(`WARNING ${HOSTILE[0]}`).waitFor();
    await clean('log');
  },
);

test('the CSP would stop what got through', async () => {
  const blocked = await page.evaluate(
    () =>
      new Promise((done) => {
        addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective), {
          once: true,
        });
        const script = document.createElement('script');
        script.textContent = 'window.__xss = 2';
        document.body.append(script);
        setTimeout(() => done('nothing'), 1000);
      }),
  );
  assert.match(blocked, /script-src/);
  assert.equal(await page.evaluate(() => window.__xss), undefined);
});
