// Long lists: only the rows in sight are in the page. All rows have one height; the window scrolls,
// so that the browser's own scrolling, find and restore of position stay.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface RowsProps<T> {
  items: T[];
  height: number;
  keyOf: (item: T) => string | number;
  children: (item: T, index: number) => ComponentChildren;
  label: string;
  role?: 'list' | 'log' | 'rowgroup';
}

const OVERSCAN = 8;

export function windowOf(
  top: number,
  seen: number,
  height: number,
  total: number,
): [number, number] {
  const first = Math.max(0, Math.floor(top / height) - OVERSCAN);
  const last = Math.min(total, Math.ceil((top + seen) / height) + OVERSCAN);
  return [Math.min(first, total), Math.max(last, 0)];
}

export function VirtualRows<T>({ items, height, keyOf, children, label, role }: RowsProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<[number, number]>([0, 40]);
  const total = items.length;
  const measure = () => {
    const top = -(box.current?.getBoundingClientRect().top ?? 0);
    const next = windowOf(Math.max(0, top), innerHeight, height, total);
    setRange((old) => (old[0] === next[0] && old[1] === next[1] ? old : next));
  };
  useLayoutEffect(measure, [total, height]);
  useEffect(() => {
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    return () => {
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [total, height]);
  const [first, last] = range;
  return (
    <div
      ref={box}
      role={role ?? 'list'}
      aria-label={label}
      style={{
        paddingTop: `${first * height}px`,
        paddingBottom: `${Math.max(0, total - last) * height}px`,
      }}
    >
      {items.slice(first, last).map((item, i) => (
        <div
          key={keyOf(item)}
          role={role ? 'presentation' : 'listitem'}
          class="virtual-row"
          style={{ height: `${height}px` }}
          aria-setsize={role ? undefined : total}
          aria-posinset={role ? undefined : first + i + 1}
        >
          {children(item, first + i)}
        </div>
      ))}
    </div>
  );
}
