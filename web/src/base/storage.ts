// Settings of this browser. Storage may be forbidden: then they last as long as the page.

const memory = new Map<string, string>();

export function readSetting(name: string): string | null {
  try {
    return localStorage.getItem(`nm.${name}`);
  } catch {
    return memory.get(name) ?? null;
  }
}

export function writeSetting(name: string, value: string): void {
  memory.set(name, value);
  try {
    localStorage.setItem(`nm.${name}`, value);
  } catch {
    // The copy in memory is all there is.
  }
}
