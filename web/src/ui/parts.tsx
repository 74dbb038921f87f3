// Small parts that every page uses.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Link } from 'wouter-preact';

import type { Problem } from '../api/client';

export interface Crumb {
  text: string;
  href: string;
}

interface HeadProps {
  title: ComponentChildren;
  crumbs?: Crumb[];
  below?: ComponentChildren;
  children?: ComponentChildren; // actions
}

export function PageHead({ title, crumbs, below, children }: HeadProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  // The browser's tab says what is shown and of which DAG.
  useEffect(() => {
    const above = (crumbs ?? []).slice(1).map((one) => one.text);
    const words = [heading.current?.textContent?.trim(), ...above.reverse()];
    document.title = `${words.filter(Boolean).join(' · ')} - Nightmill`;
  });
  return (
    <div class="page-head">
      <div class="titles stack tight">
        {crumbs && (
          <nav aria-label="Breadcrumb">
            <ol class="crumbs">
              {crumbs.map((crumb) => (
                <li key={crumb.href}>
                  <Link href={crumb.href}>{crumb.text}</Link>
                </li>
              ))}
            </ol>
          </nav>
        )}
        <h1 ref={heading} class="row wrap">{title}</h1>
        {below}
      </div>
      {children && <div class="actions">{children}</div>}
    </div>
  );
}

interface SectionProps {
  title: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, note, children }: SectionProps) {
  return (
    <section class="section" aria-label={title}>
      <div class="section-head">
        <h2>{title}</h2>
        {note !== undefined && <span class="muted small">{note}</span>}
      </div>
      {children}
    </section>
  );
}

export function ProblemNote({ problem }: { problem: Problem | null }) {
  if (!problem) return null;
  return (
    <div class="note problem" role="alert">
      <strong>{problem.detail || problem.title}</strong>
      {problem.hint && <div class="text">{problem.hint}</div>}
      {problem.errors.length > 0 && (
        <ul class="small">
          {problem.errors.map((error, i) => (
            <li key={i}>
              {error.pointer && <code>{error.pointer} </code>}
              {error.message}
              {error.hint && <span class="muted"> - {error.hint}</span>}
            </li>
          ))}
        </ul>
      )}
      {problem.requestId && <div class="small muted">request {problem.requestId}</div>}
    </div>
  );
}

// An empty page says what would fill it: a command that can be copied.
export function Empty({ text, command }: { text: string; command?: string }) {
  return (
    <div class="empty">
      <span>{text}</span>
      {command && <code>{command}</code>}
    </div>
  );
}

export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name}:`}>{value}</dd>])}
    </dl>
  );
}

// What is not there yet: a quiet word, and only before the first data of a page.
export function Waiting() {
  return <p class="muted waiting">loading</p>;
}
