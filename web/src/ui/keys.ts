// The keyboard map. A page registers its keys while it is shown; "g d" is a sequence of two. Keys
// are off inside inputs and while a dialog is open; all they do can be reached by Tab too.
import { useLayoutEffect, useRef } from 'preact/hooks';

export interface KeyBinding {
  keys: string; // "r", "g d", "[", "Shift-G"
  does: string;
  run: () => void;
  group: string;
}

const SEQUENCE_MS = 1_200;
const bound = new Set<() => KeyBinding[]>();

export function activeBindings(): KeyBinding[] {
  const seen = new Map<string, KeyBinding>();
  for (const list of bound) for (const one of list()) seen.set(one.keys, one);
  return [...seen.values()];
}

export function useKeys(list: KeyBinding[]): void {
  const latest = useRef(list);
  latest.current = list;
  // With the page's nodes, not a frame later: a key typed ahead must find the page it is meant for.
  useLayoutEffect(() => {
    const read = () => latest.current;
    bound.add(read);
    return () => {
      bound.delete(read);
    };
  }, []);
}

export function inEditor(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'button'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export function nameOf(event: KeyboardEvent): string {
  const key = event.key === ' ' ? 'Space' : event.key;
  return event.shiftKey && /^[A-Z]$/.test(key) ? `Shift-${key}` : key;
}

let pending = '';
let pendingAt = 0;

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (inEditor(event.target) || document.querySelector('dialog[open]')) return;
    const name = nameOf(event);
    if (name === 'Shift') return;
    const sequence =
      pending && event.timeStamp - pendingAt < SEQUENCE_MS ? `${pending} ${name}` : name;
    pending = '';
    const all = activeBindings();
    const hit = all.find((one) => one.keys === sequence) ?? all.find((one) => one.keys === name);
    if (hit) {
      event.preventDefault();
      hit.run();
    } else if (all.some((one) => one.keys.startsWith(`${name} `))) {
      pending = name;
      pendingAt = event.timeStamp;
    }
  });
}
