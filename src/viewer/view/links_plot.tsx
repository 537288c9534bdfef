/** Frames a second of each link, and what was dropped, with its cause. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { LinkSeries, Trace } from "../data/model.ts";
import type { Range } from "./filter.ts";
import { coloursOf, LEFT } from "./lanes_draw.ts";
import { clockText, countText } from "./words.ts";

interface Props {
  trace: Trace;
  view: Range;
  range: Range | undefined;
  hidden: ReadonlySet<string>;
  theme: string;
  onRange(range: Range | undefined): void;
}

/** More lines than these could not be told apart: the rest is one. */
const MOST = 5;
/** What is dropped is drawn downwards, in this part of the height of what passes. */
const DROPS_PART = 0.4;
const HEIGHT = 116;

interface Series {
  name: string;
  total: number;
  values: Float64Array;
}

export function LinksPlot({ trace, view, range, hidden, theme, onRange }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [at, setAt] = useState<number>();
  const shown = useMemo(() => trace.links.filter(({ from, to }) => !hidden.has(from) && !hidden.has(to)), [
    trace.links,
    hidden,
  ]);
  // The present second has not been told of: it is no fall to zero.
  const told = shown.reduce((most, { last }) => Math.max(most, last + 1), 1);
  const count = Math.max(told, Math.floor((trace.end - trace.start) / 1000) - 1);
  const { series, drops, seconds } = useMemo(() => seriesOf(count, shown), [count, shown]);
  const names = series.map(({ name }) => name).join("\n"), hasDrops = drops.some((sum) => sum !== 0);
  // The plot is made once a trace; it calls the newest.
  const rangeTo = useRef(onRange);
  rangeTo.current = onRange;

  useEffect(() => {
    const colours = coloursOf(document.documentElement);
    const palette = paletteOf();
    const options: uPlot.Options = {
      width: Math.max(200, place.current!.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      padding: [6, 0, 0, 0],
      scales: {
        x: { time: false, range: (_, low, high) => [low, high] },
        y: { range: (_, __, high) => [hasDrops ? -Math.max(1, high) * DROPS_PART : 0, Math.max(1, high) * 1.08] },
        // Its zero is at the same height.
        drops: { range: (_, low) => [Math.min(-1, low), Math.max(1, -low) * 1.08 / DROPS_PART] },
      },
      cursor: { drag: { x: true, y: false, setScale: false }, y: false, points: { size: 5 } },
      axes: [
        { show: false },
        { size: 0, gap: 0, ticks: { show: false }, grid: { stroke: colours.line, width: 1 }, values: () => [] },
      ],
      series: [
        {},
        ...series.map(({ name }, index) => ({
          label: name,
          stroke: palette[index % palette.length],
          width: 1.25,
          points: { show: false },
        })),
        {
          label: "dropped",
          scale: "drops",
          fill: colours.bad,
          stroke: colours.bad,
          width: 0,
          paths: uPlot.paths.bars!({ size: [0.9, 6, 2] }),
          points: { show: false },
        },
      ],
      hooks: {
        setSelect: [({ select, posToVal }) => {
          if (select.width < 4) return;
          const time = (x: number) => trace.start + posToVal(x, "x") * 1000;
          rangeTo.current([time(select.left), time(select.left + select.width)]);
        }],
        setCursor: [({ cursor, posToVal }) => {
          const left = cursor.left ?? -1;
          setAt(left < 0 ? undefined : Math.floor(posToVal(left, "x")));
        }],
        draw: [({ ctx, bbox, scales }) => {
          const high = scales.y.max ?? 1, deep = -(scales.drops.min ?? 0);
          ctx.font = `${Math.round(11 * devicePixelRatio)}px sans-serif`;
          ctx.textBaseline = "top";
          ctx.textAlign = "right";
          const words = (says: string, y: number) => {
            ctx.fillStyle = colours.dim;
            ctx.fillText(says, bbox.left + bbox.width - 6, y);
          };
          words(`${countText(Math.round(high / 1.08))} frames/s`, bbox.top + 2);
          if (!hasDrops) return;
          ctx.textBaseline = "bottom";
          words(`${countText(deep)} dropped/s`, bbox.top + bbox.height - 2);
          ctx.fillStyle = colours.line;
          ctx.fillRect(bbox.left, bbox.top + bbox.height * 1.08 / (1.08 + DROPS_PART), bbox.width, devicePixelRatio);
        }],
      },
    };
    const made = new uPlot(options, [seconds, ...series.map(({ values }) => values), drops], place.current!);
    plot.current = made;
    const observer = new ResizeObserver(([entry]) =>
      made.setSize({ width: Math.floor(entry.contentRect.width), height: HEIGHT })
    );
    observer.observe(place.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [names, hasDrops, theme, trace.start]);

  useEffect(() => { // drawn by what follows
    plot.current?.setData([seconds, ...series.map(({ values }) => values), drops], false);
  }, [series, theme]);
  useEffect(() => {
    plot.current?.setScale("x", { min: (view[0] - trace.start) / 1000, max: (view[1] - trace.start) / 1000 });
  }, [view, series, theme]);
  useEffect(() => {
    const { current } = plot;
    if (!current) return;
    const x = (time: number) => current.valToPos((time - trace.start) / 1000, "x");
    const [left, right] = range ? [x(range[0]), x(range[1])] : [0, 0];
    current.setSelect({ left, width: right - left, top: 0, height: range ? current.over.clientHeight : 0 }, false);
  }, [range, view, series, theme]);

  const palette = useMemo(paletteOf, [theme]);
  const droppedTotal = shown.reduce((sum, { dropped }) => sum + dropped, 0);
  return (
    <div class="plot" role="group" aria-label="Frames a second of each link">
      <div class="legend" style={{ width: `${LEFT}px` }}>
        {series.map(({ name, total }, index) => (
          <div key={name} title={`${name}: ${countText(total)} frames`}>
            <i style={{ background: palette[index % palette.length] }} />
            <span>{name}</span>
          </div>
        ))}
        {droppedTotal > 0 && (
          <div class="bad" title={`${countText(droppedTotal)} frames dropped`}>
            <i style={{ background: "var(--bad)" }} />
            <span>dropped {countText(droppedTotal)}</span>
          </div>
        )}
        {series.length === 0 && <div class="dim">no frames</div>}
      </div>
      <div class="area" ref={place} />
      {at !== undefined && <div class="reading">{readingOf(shown, at)}</div>}
    </div>
  );
}

const paletteOf = () => {
  const style = getComputedStyle(document.documentElement);
  return [1, 2, 3, 4, 5, 6, 7].map((number) => style.getPropertyValue(`--series-${number}`).trim());
};

function seriesOf(
  count: number,
  links: readonly LinkSeries[],
): { series: Series[]; drops: Float64Array; seconds: Float64Array } {
  const seconds = Float64Array.from({ length: count }, (_, index) => index);
  const series = links.slice(0, MOST).map((link) => seriesFor(`${link.from} → ${link.to}`, [link], count));
  if (links.length > MOST) series.push(seriesFor(`${links.length - MOST} others`, links.slice(MOST), count));
  const drops = new Float64Array(count);
  for (const { drops: its } of links) {
    for (const [second, causes] of its) {
      if (second >= 0 && second < count) { for (const one of Object.values(causes)) drops[second] -= one; }
    }
  }
  return { series, drops, seconds };
}

function seriesFor(name: string, links: readonly LinkSeries[], count: number): Series {
  const values = new Float64Array(count);
  for (const { frames } of links) {
    for (const [second, value] of frames) if (second >= 0 && second < count) values[second] += value;
  }
  return { name, values, total: links.reduce((sum, { total }) => sum + total, 0) };
}

/** What the links did in a second, in words. */
function readingOf(links: readonly LinkSeries[], second: number): string {
  const active = links.filter(({ frames, drops }) => frames.has(second) || drops.has(second)).slice(0, 5);
  const words = active.map(({ from, to, frames, drops }) => {
    const causes = Object.entries(drops.get(second) ?? {}).map(([cause, count]) => `${count} dropped: ${cause}`).join(
      ", ",
    );
    return `${from} → ${to} ${countText(frames.get(second) ?? 0)}${causes && ` (${causes})`}`;
  });
  return `${clockText(second * 1000, 0)}  ${words.join(" · ") || "no frames"}`;
}
