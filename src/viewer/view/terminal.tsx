/**
 * A member's console as its screen, by xterm.js: up to the end of the range, or, of a group that runs, as it goes on, and what is
 * typed goes to the member.
 */

import { useEffect, useRef } from "preact/hooks";
import { Terminal } from "@xterm/xterm";
import { type Cast, firstFrom } from "../data/model.ts";
import type { Range } from "./filter.ts";

/** A console is at most 4 MiB; of a longer one the end is shown. */
const MOST = 4 * 1024 * 1024;

interface Props {
  cast: Cast;
  range: Range | undefined;
  theme: string;
  /** Absent: nothing can be typed. */
  onType?: ((typed: Uint8Array<ArrayBuffer>) => void) | undefined;
  /** Ctrl-], as in fleetbox console. */
  onLeave?(): void;
}

export function ConsoleScreen({ cast, range, theme, onType, onLeave }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(undefined);
  /** How many pieces are on the screen, counted from the first that ever was. */
  const written = useRef(0);
  const newest = useRef({ onType, onLeave });
  newest.current = { onType, onLeave };
  const isTyped = onType !== undefined && range === undefined;

  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const made = new Terminal({
      cols: cast.columns,
      rows: cast.rows,
      fontSize: 12,
      scrollback: 100_000,
      disableStdin: !isTyped,
      cursorBlink: false,
      convertEol: false,
      screenReaderMode: true,
      linkHandler: { activate() {} }, // foreign links are text
      theme: {
        background: colour("--panel"),
        foreground: colour("--ink"),
        cursor: colour("--dim"),
        selectionBackground: colour("--range"),
      },
    });
    made.open(place.current!);
    terminal.current = made;
    const low = range ? firstFrom(cast.times.length, (index) => cast.times[index], range[0]) : 0;
    const high = range
      ? firstFrom(cast.times.length, (index) => cast.times[index], range[1] + 0.001)
      : cast.times.length;
    written.current = cast.gone + high;
    // A terminal answers what it is asked: what was asked in the past has been answered, or not.
    let isPast = true;
    made.write(wrapping(cast.pieces.slice(low, high).join("").slice(-MOST)), () => isPast = false);
    if (isTyped) {
      const send = (typed: Uint8Array<ArrayBuffer>) => {
        if (!isPast && place.current?.contains(document.activeElement)) newest.current.onType?.(typed);
      };
      made.onData((said) => send(new TextEncoder().encode(said)));
      made.onBinary((said) => send(Uint8Array.from(said, (one) => one.charCodeAt(0))));
      made.attachCustomKeyEventHandler(({ type, key, ctrlKey }) => {
        if (!ctrlKey || key !== "]") return true;
        if (type === "keydown") newest.current.onLeave?.();
        return false;
      });
      made.focus();
    }
    return () => made.dispose();
  }, [cast, range, theme, isTyped]);

  const all = cast.gone + cast.pieces.length;
  useEffect(() => {
    const now = cast.gone + cast.pieces.length; // there may be more than when it was rendered
    if (range || written.current >= now) return;
    terminal.current!.write(wrapping(cast.pieces.slice(Math.max(0, written.current - cast.gone)).join("")));
    written.current = now;
  }, [cast, range, theme, isTyped, all]);
  return <div class="terminal" ref={place} aria-label={`Console of ${cast.member}`} />;
}

/** Without the firmware's wish that long lines end at the edge, which no guest takes back: what is beyond would not be seen. */
const wrapping = (said: string) => said.replaceAll("\x1b[?7l", "");
