/** A member's console as its screen, by xterm.js, up to the end of the range. */

import { useEffect, useRef } from "preact/hooks";
import { Terminal } from "@xterm/xterm";
import { type Cast, firstFrom } from "../data/model.ts";
import type { Range } from "./filter.ts";

/** A console is at most 4 MiB; of a longer one the end is shown. */
const MOST = 4 * 1024 * 1024;

export function ConsoleScreen({ cast, range, theme }: { cast: Cast; range: Range | undefined; theme: string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const terminal = new Terminal({
      cols: cast.columns,
      rows: cast.rows,
      fontSize: 12,
      scrollback: 100_000,
      disableStdin: true,
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
    terminal.open(place.current!);
    const low = range ? firstFrom(cast.times.length, (index) => cast.times[index], range[0]) : 0;
    const high = range
      ? firstFrom(cast.times.length, (index) => cast.times[index], range[1] + 0.001)
      : cast.times.length;
    terminal.write(cast.pieces.slice(low, high).join("").slice(-MOST));
    return () => terminal.dispose();
  }, [cast, range, theme]);
  return <div class="terminal" ref={place} aria-label={`Console of ${cast.member}`} />;
}
