// Who is logged in. The token is in an HttpOnly cookie that no script can read; all we know is
// what the server says about it.
import { signal } from '@preact/signals';

import { ask, onUnauthorized, send } from '../api/client';
import { startEvents, stopEvents } from '../api/events';
import type { Session } from '../api/types';
import { forgetAll } from './resource';

export const session = signal<Session | null>(null);
export const sessionKnown = signal(false);

const RANKS = ['viewer', 'operator', 'author', 'admin'];
export function may(role: Session['role']): boolean {
  const mine = session.value?.role;
  return mine !== undefined && RANKS.indexOf(mine) >= RANKS.indexOf(role);
}

function begin(found: Session): void {
  session.value = found;
  sessionKnown.value = true;
  startEvents();
}

function end(): void {
  session.value = null;
  sessionKnown.value = true;
  stopEvents();
  forgetAll();
}

// The demo prints an address with "#login=<code>": one use. The fragment is never sent to a server;
// it leaves the address before anything else is asked.
export async function findSession(): Promise<void> {
  onUnauthorized.call = end;
  const code = /^#login=(.+)$/.exec(location.hash)?.[1];
  if (code) {
    history.replaceState(null, '', location.pathname + location.search);
    try {
      return begin(await send<Session>('POST', '/auth/login', { code: decodeURIComponent(code) }));
    } catch {
      // Used or too old; perhaps there is a session all the same.
    }
  }
  try {
    begin((await ask<Session>('/auth/session')).data);
  } catch {
    end();
  }
}

// A link with a login code, opened where the page is shown already.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#login=')) void findSession();
});

export async function logIn(token: string): Promise<void> {
  begin(await send<Session>('POST', '/auth/login', { token }));
}

export async function logOut(): Promise<void> {
  await send('POST', '/auth/logout');
  end();
}
