/** The keys, in words. */

import { useEffect, useRef } from "preact/hooks";

const KEYS = [
  ["/", "search in everything"],
  ["drag", "choose a range, which filters everything"],
  ["Esc", "clear the range, then the zoom, then the selection"],
  ["+ −", "zoom in (into the range) and out; also the wheel"],
  ["0", "show all of the time"],
  ["← →", "in the lanes: the event before and after; with Shift: move the time"],
  ["↑ ↓ Home End", "in a list: from row to row"],
  ["1 2 3 4 5", "events, packets, space-time, consoles, the network as a picture"],
  ["t", "light or dark"],
  ["Tab", "the next part of the page"],
] as const;
/** Of a group that runs. */
const LIVE_KEYS = [
  ["l", "back to what happens now"],
  ["Ctrl-]", "leave a console; all other keys go to its member"],
] as const;

export function Help({ isLive, onClose }: { isLive: boolean; onClose(): void }) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current!.focus(), []);
  return (
    <div class="cover" onClick={onClose}>
      <div class="help" role="dialog" aria-modal="true" aria-label="Keys" onClick={(event) => event.stopPropagation()}>
        <h2>Keys</h2>
        <dl>
          {[...KEYS, ...(isLive ? LIVE_KEYS : [])].map(([key, does]) => [
            <dt key={key}>
              <kbd>{key}</kbd>
            </dt>,
            <dd key={does}>{does}</dd>,
          ])}
        </dl>
        <button type="button" ref={close} onClick={onClose}>Close</button>
      </div>
    </div>
  );
}
