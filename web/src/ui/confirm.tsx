// A button that first says what it will do, in place: no dialog hides the page that one decides by.
import { useEffect, useRef, useState } from 'preact/hooks';

interface ConfirmProps {
  label: string;
  says: string; // what will happen, exactly
  yes: string;
  danger?: boolean;
  onYes: () => void;
}

export function Confirm({ label, says, yes, danger, onYes }: ConfirmProps) {
  const [asked, setAsked] = useState(false);
  const yesButton = useRef<HTMLButtonElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  const wasAsked = useRef(false);
  // The focus goes where the next step is, and back.
  useEffect(() => {
    if (asked) yesButton.current?.focus();
    else if (wasAsked.current) first.current?.focus();
    wasAsked.current = asked;
  }, [asked]);
  if (!asked) {
    return (
      <button ref={first} class={danger ? 'danger' : undefined} onClick={() => setAsked(true)}>
        {label}…
      </button>
    );
  }
  return (
    <span
      class="confirm row wrap tight"
      role="group"
      aria-label={label}
      onKeyDown={(event) => event.key === 'Escape' && setAsked(false)}
    >
      <span class="small">{says}</span>
      <button
        ref={yesButton}
        class={danger ? 'danger' : 'primary'}
        onClick={() => {
          setAsked(false);
          onYes();
        }}
      >
        {yes}
      </button>
      <button onClick={() => setAsked(false)}>No</button>
    </span>
  );
}
