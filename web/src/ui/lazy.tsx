// A page that is fetched when it is first shown. Nothing is drawn meanwhile: from the daemon it
// takes milliseconds, and a spinner would only flash.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export function lazy(load: () => Promise<{ default: ComponentType }>): ComponentType {
  let loaded: ComponentType | null = null;
  return function LazyPage() {
    const [, redraw] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded) return;
      load().then(
        (module) => {
          loaded = module.default;
          redraw((n) => n + 1);
        },
        () => setFailed(true),
      );
    }, []);
    // After an upgrade of the daemon the old names are gone.
    if (failed)
      return (
        <p role="alert">
          This page is from an older version. <a href="">Reload</a>
        </p>
      );
    const Page = loaded;
    return Page ? <Page /> : null;
  };
}
