// Login by token. The place asked for stays in the address and is shown afterwards.
import { useState } from 'preact/hooks';

import { asProblem, type Problem } from '../api/client';
import { logIn } from '../store/session';
import { ProblemNote } from '../ui/parts';

export function LoginPage() {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await logIn(token.trim());
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="card stack" onSubmit={submit}>
        <h1 class="row">
          <svg viewBox="0 0 16 16" width="22" height="22" aria-hidden="true">
            <rect width="16" height="16" rx="4" fill="var(--success)" />
            <path d="M10.8 3.2a5.2 5.2 0 1 0 2 8.2 4.4 4.4 0 0 1-2-8.2z" fill="#fff" />
          </svg>
          Nightmill
        </h1>
        <label class="stack tight">
          <span>Token</span>
          <input
            type="password"
            autocomplete="current-password"
            required
            autoFocus
            value={token}
            spellcheck={false}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <ProblemNote problem={problem} />
        <button class="primary" disabled={busy || token.trim() === ''}>
          Log in
        </button>
        <p class="small muted">
          The server prints a link that logs in once, each time it starts. A token is in{' '}
          <code>cli.token</code> of its state directory.
        </p>
      </form>
    </main>
  );
}
