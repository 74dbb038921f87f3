// `?`: the keys that work on this page.
import { activeBindings } from './keys';
import { helpOpen } from './command_palette';
import { Dialog } from './dialog';

export function Help() {
  const groups = new Map<string, { keys: string; does: string }[]>();
  for (const one of activeBindings()) {
    const list = groups.get(one.group) ?? [];
    list.push(one);
    groups.set(one.group, list);
  }
  return (
    <Dialog label="Keyboard help" onClose={() => (helpOpen.value = false)}>
      <div class="help" tabIndex={0}>
        {[...groups].map(([group, list]) => (
          <section key={group}>
            <h2>{group}</h2>
            <dl>
              {list.map((one) => [
                <dt key={one.keys}>
                  {one.keys.split(' ').map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>,
                <dd key={`${one.keys}:`}>{one.does}</dd>,
              ])}
            </dl>
          </section>
        ))}
        <section>
          <h2>Everywhere</h2>
          <dl>
            <dt>
              <kbd>Ctrl</kbd> <kbd>K</kbd>
            </dt>
            <dd>command palette</dd>
            <dt>
              <kbd>Esc</kbd>
            </dt>
            <dd>close</dd>
          </dl>
        </section>
      </div>
    </Dialog>
  );
}
