// What a reader prefers, kept in this browser: zone of times, light or dark.
import { effect, signal } from '@preact/signals';

import { takeClassicColours } from '../base/states';
import { readSetting, writeSetting } from '../base/storage';
import type { ZoneChoice } from '../base/time';

export type Scheme = 'system' | 'light' | 'dark';

export const zone = signal<ZoneChoice>(readSetting('zone') === 'local' ? 'local' : 'utc');
export const scheme = signal<Scheme>((readSetting('scheme') as Scheme | null) ?? 'system');

const systemDark = matchMedia('(prefers-color-scheme: dark)');
export const dark = signal(false);

// Drawn pictures are kept: another palette starts the page anew.
export function choosePalette(name: 'nightmill' | 'classic'): void {
  writeSetting('palette', name);
  location.reload();
}

export function startSettings(): void {
  if (readSetting('palette') === 'classic') takeClassicColours();
  const settle = () => {
    dark.value = scheme.value === 'dark' || (scheme.value === 'system' && systemDark.matches);
    document.documentElement.dataset.scheme = dark.value ? 'dark' : 'light';
  };
  systemDark.addEventListener('change', settle);
  effect(settle);
  effect(() => writeSetting('zone', zone.value));
  effect(() => writeSetting('scheme', scheme.value));
}
