// What changed, said once to screen readers, and shown to the others as a note that stays until it
// is closed if it is a problem.
import { signal } from '@preact/signals';

import type { Problem } from '../api/client';

interface Toast {
  id: number;
  text: string;
  problem: boolean;
}

const polite = signal('');
const toasts = signal<Toast[]>([]);
let next = 1;

export function announce(text: string): void {
  polite.value = text;
}

export function toast(text: string, problem = false): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-3), { id, text, problem }];
  announce(text);
  if (!problem) setTimeout(() => close(id), 6_000);
}

export function toastProblem(problem: Problem): void {
  toast([problem.detail || problem.title, problem.hint].filter(Boolean).join(': '), true);
}

function close(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

export function LiveRegion() {
  return (
    <>
      <div class="visually-hidden" role="status" aria-live="polite">
        {polite.value}
      </div>
      <div class="toasts">
        {toasts.value.map((one) => (
          <div key={one.id} class={one.problem ? 'note problem' : 'note'}>
            <span class="grow">{one.text}</span>
            <button class="plain" aria-label="Close this note" onClick={() => close(one.id)}>
              ×
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
