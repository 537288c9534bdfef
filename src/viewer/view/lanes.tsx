/** The lanes: a canvas that can be dragged over for a range, zoomed, and walked through by keys. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Trace, TraceEvent } from "../data/model.ts";
import type { Range } from "./filter.ts";
import { coloursOf, draw, type Hit, LEFT, rowsOf } from "./lanes_draw.ts";
import { clockText } from "./words.ts";

interface Props {
  trace: Trace;
  view: Range;
  range: Range | undefined;
  hidden: ReadonlySet<string>;
  selected: TraceEvent | undefined;
  theme: string;
  onView(view: Range): void;
  onRange(range: Range | undefined): void;
  onSelect(event: TraceEvent): void;
}

/** A press that moves less is a click. */
const CLICK_PIXELS = 4;

export function Lanes({ trace, view, range, hidden, selected, theme, onView, onRange, onSelect }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const hits = useRef<Hit[]>([]);
  const [width, setWidth] = useState(0);
  const [hovered, setHovered] = useState<{ hit: Hit; x: number; y: number }>();
  const drag = useRef<{ x: number; time: number; moved: boolean }>(undefined);
  const rows = useMemo(() => rowsOf(trace, hidden), [trace.members, trace.faults, trace.end, hidden]);
  const colours = useMemo(() => coloursOf(document.documentElement), [theme]);

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(canvas.current!.parentElement!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (width === 0) return;
    const element = canvas.current!, context = element.getContext("2d")!;
    const scale = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(rows.height * scale)];
    if (element.width !== wide || element.height !== high) [element.width, element.height] = [wide, high];
    context.setTransform(scale, 0, 0, scale, 0, 0);
    hits.current = draw(context, { trace, rows, width, view, range, selected, colours });
  }, [trace, rows, width, view, range, selected, colours]);

  const timeAt = (x: number) => view[0] + (Math.max(LEFT, x) - LEFT) / Math.max(1, width - LEFT) * (view[1] - view[0]);
  const hitAt = (x: number, y: number) =>
    x < LEFT
      ? undefined
      : hits.current.findLast((hit) => x >= hit.x && x <= hit.x + hit.width && y >= hit.y && y <= hit.y + hit.height);

  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0 || event.offsetX < LEFT) return;
    canvas.current!.setPointerCapture(event.pointerId);
    drag.current = { x: event.offsetX, time: timeAt(event.offsetX), moved: false };
  };
  const onPointerMove = (event: PointerEvent) => {
    const begun = drag.current;
    if (!begun) {
      const hit = hitAt(event.offsetX, event.offsetY);
      setHovered(hit && { hit, x: event.offsetX, y: event.offsetY });
      return;
    }
    if (Math.abs(event.offsetX - begun.x) >= CLICK_PIXELS) begun.moved = true;
    if (!begun.moved) return;
    setHovered(undefined);
    const time = timeAt(event.offsetX);
    onRange([Math.min(time, begun.time), Math.max(time, begun.time)]);
  };
  const onPointerUp = (event: PointerEvent) => {
    const begun = drag.current;
    drag.current = undefined;
    if (!begun || begun.moved) return;
    const hit = hitAt(event.offsetX, event.offsetY);
    if (hit) onSelect(hit.event);
  };
  // Not as a property: a passive listener could not keep the page from being zoomed.
  useEffect(() => {
    const element = canvas.current!;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const span = view[1] - view[0];
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        const by = (event.deltaX || event.deltaY) / Math.max(1, width - LEFT) * span;
        onView([view[0] + by, view[1] + by]);
      } else {
        const factor = Math.exp(Math.max(-200, Math.min(200, event.deltaY)) / 400), at = timeAt(event.offsetX);
        onView([at - (at - view[0]) * factor, at + (view[1] - at) * factor]);
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [view, width]);

  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (event.shiftKey && by !== 0) {
      const move = (view[1] - view[0]) / 10 * by;
      onView([view[0] + move, view[1] + move]);
    } else if (by !== 0) {
      const next = trace.events[selected ? neighbour(trace, selected, by) : 0];
      if (next) onSelect(next);
    } else return;
    event.preventDefault();
  };

  return (
    <div class="lanes" onPointerLeave={() => setHovered(undefined)}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`Lanes of ${
          trace.members.map(({ name }) => name).join(", ")
        }. Arrow keys go from event to event, plus and minus zoom.`}
        style={{ width: "100%", height: `${rows.height}px`, cursor: hovered ? "pointer" : "crosshair" }}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onDblClick={() => onRange(undefined)}
        onKeyDown={onKeyDown}
      />
      {hovered && (
        <div class="tip" style={{ left: `${Math.min(hovered.x + 12, width - 330)}px`, top: `${hovered.y + 16}px` }}>
          <b>{clockText(hovered.hit.event.at - trace.start)}</b> {hovered.hit.event.members.join(", ")}
          <div>{hovered.hit.event.kind}: {hovered.hit.event.text.slice(0, 300)}</div>
        </div>
      )}
    </div>
  );
}

/** The next event, or the one before, that is drawn in the lanes: sums of links are not. */
function neighbour(trace: Trace, { index }: TraceEvent, by: number): number {
  let next = index + by;
  while (trace.events[next]?.kind === "link") next += by;
  return trace.events[next] ? next : index;
}
