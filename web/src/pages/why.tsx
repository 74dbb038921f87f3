// Why something does not start: the scheduler's own reasons, the first is the headline.
import type { Reason } from '../api/types';
import { Countdown, Time } from '../ui/time';

interface WhyProps {
  title: string;
  reasons: Reason[];
  startsAt?: string | null;
}

export function Reasons({ title, reasons, startsAt }: WhyProps) {
  const [first, ...rest] = reasons;
  if (!first) return null;
  return (
    <section class="why note" aria-label={title}>
      <h3>{title}</h3>
      <p class="headline">
        {first.message}
        {first.until && (
          <span class="muted">
            {' '}
            <Countdown at={first.until} />
          </span>
        )}
      </p>
      {rest.length > 0 && (
        <ul class="small">
          {rest.map((reason, i) => (
            <li key={i}>
              {reason.message}
              {reason.until && (
                <span class="muted">
                  {' '}
                  <Countdown at={reason.until} />
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
      {startsAt && (
        <p class="small">
          Would start about <Time at={startsAt} />
        </p>
      )}
    </section>
  );
}
