// The log of one try, as it grows: pieces of lines by address, then live. Kept apart from how it is
// shown.
import { useEffect, useRef, useState } from 'preact/hooks';

import { asProblem, get, type Problem } from '../api/client';
import { readStream } from '../api/stream';
import type { LogAnswer, LogLine, LogTail } from '../api/types';
import { withQuery } from '../base/url';

export interface LogText {
  text: string;
  at: string | null;
}

export interface LogState {
  lines: LogText[];
  open: boolean; // may still grow
  problem: Problem | null;
  loaded: boolean;
}

// More than this is not kept in the page: the end is what matters, the rest can be downloaded.
export const MOST_LINES = 200_000;
const LONGEST_LINE = 8_192;

export function clip(line: LogLine): LogText {
  const text = line.event;
  const over = text.length - LONGEST_LINE;
  return {
    text: over > 0 ? `${text.slice(0, LONGEST_LINE)} … ${over} more` : text,
    at: line.timestamp,
  };
}

// `key` changes when the try does. The whole log first, in pieces; then, while it is open, the live
// tail.
export function useLog(address: string | null, mapIndex: number): LogState {
  const [state, setState] = useState<LogState>({
    lines: [],
    open: false,
    problem: null,
    loaded: false,
  });
  const lines = useRef<LogText[]>([]);
  useEffect(() => {
    lines.current = [];
    setState({ lines: [], open: false, problem: null, loaded: false });
    if (address === null) return undefined;
    const stop = new AbortController();
    const add = (more: LogLine[], open: boolean) => {
      const next = lines.current.concat(more.map(clip));
      lines.current = next.length > MOST_LINES ? next.slice(-MOST_LINES) : next;
      setState({ lines: lines.current, open, problem: null, loaded: true });
    };
    const map = mapIndex >= 0 ? mapIndex : null;
    const follow = async (token: string): Promise<void> => {
      let last = token;
      for (let wait = 500; !stop.signal.aborted; wait = Math.min(wait * 2, 16_000)) {
        let ended = false;
        try {
          await readStream(withQuery(address, { map_index: map }), {
            lastId: last,
            signal: stop.signal,
            onOpen: () => {
              wait = 500;
            },
            onEvent: (id, _kind, data) => {
              last = id || last;
              const tail = JSON.parse(data) as LogTail;
              add(tail.content, tail.open);
              ended = !tail.open;
            },
          });
        } catch {
          // Broken: goes on from the last byte after a pause.
        }
        if (ended) return;
        await new Promise((done) => setTimeout(done, wait));
      }
    };
    const load = async (): Promise<void> => {
      let token: string | null = null;
      for (;;) {
        const answer: LogAnswer = await get(
          withQuery(address, { map_index: map, token, full_content: true }),
          stop.signal,
        );
        add(answer.content, answer.open);
        const next: string | null = answer.continuation_token;
        if (next === null || next === token) return;
        // Nothing new in an open log: the rest comes live.
        if (answer.open && answer.content.length === 0) return follow(next);
        if (answer.open && token === null && answer.content.length < 1000) return follow(next);
        token = next;
      }
    };
    load().catch((error: unknown) => {
      if (stop.signal.aborted) return;
      setState({ lines: lines.current, open: false, problem: asProblem(error), loaded: true });
    });
    return () => stop.abort();
  }, [address, mapIndex]);
  return state;
}
