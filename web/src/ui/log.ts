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
  dropped: number; // lines before these that are no longer kept
  open: boolean; // may still grow
  problem: Problem | null;
  loaded: boolean;
}

// More than this is not kept in the page: the end is what matters, the rest can be downloaded.
export const MOST_LINES = 200_000;
const LONGEST_LINE = 8_192;
const FEW_LINES = 1_000;
const NOTHING: LogState = { lines: [], dropped: 0, open: false, problem: null, loaded: false };

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
  const [state, setState] = useState<LogState>(NOTHING);
  const kept = useRef({ lines: [] as LogText[], dropped: 0 });
  useEffect(() => {
    kept.current = { lines: [], dropped: 0 };
    setState(NOTHING);
    if (address === null) return undefined;
    const stop = new AbortController();
    const add = (more: LogLine[], open: boolean) => {
      const next = kept.current.lines.concat(more.map(clip));
      const over = Math.max(0, next.length - MOST_LINES);
      kept.current = { lines: next.slice(over), dropped: kept.current.dropped + over };
      setState({ ...kept.current, open, problem: null, loaded: true });
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
        if (next === null) return;
        // Hardly anything new in an open log: the rest comes live.
        if (answer.open && answer.content.length < FEW_LINES) return follow(next);
        if (next === token) return;
        token = next;
      }
    };
    load().catch((error: unknown) => {
      if (stop.signal.aborted) return;
      setState({ ...kept.current, open: false, problem: asProblem(error), loaded: true });
    });
    return () => stop.abort();
  }, [address, mapIndex]);
  return state;
}
