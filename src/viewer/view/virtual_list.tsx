/** A list of which only the rows in sight are in the document: 200,000 rows scroll like ten. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  count: number;
  rowHeight?: number;
  /** For screen readers. */
  label: string;
  /** The place of the selected row; -1: none. */
  selected: number;
  class?: string;
  header?: ComponentChildren;
  /** Whether it stays at its end, while it is scrolled there. */
  follows?: boolean;
  /** What is shown when there are no rows. */
  empty: string;
  row(index: number): ComponentChildren;
  onSelect(index: number): void;
}

/** Rows beyond the edges, so that fast scrolling shows no gaps. */
const MORE = 8;

export function VirtualList(
  { count, rowHeight = 22, label, selected, header, empty, row, onSelect, follows, ...rest }: Props,
) {
  const scroller = useRef<HTMLDivElement>(null);
  const [[top, height], setSight] = useState([0, 600]);
  const isAtEnd = useRef(true);
  const look = () => {
    const { current } = scroller;
    if (!current) return; // an observer may call once more after the end
    isAtEnd.current = current.scrollTop + current.clientHeight >= current.scrollHeight - rowHeight;
    setSight([current.scrollTop, current.clientHeight]);
  };

  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  // A list that became shorter scrolls back by itself.
  useLayoutEffect(() => {
    const { current } = scroller;
    if (follows && isAtEnd.current) current!.scrollTop = current!.scrollHeight;
    look();
  }, [count]);
  useLayoutEffect(() => {
    const element = scroller.current!;
    if (selected < 0) return;
    const at = selected * rowHeight;
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = at + rowHeight - element.clientHeight;
    }
  }, [selected]);

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / rowHeight) - 1);
    const steps: Record<string, number> = {
      ...{ ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count },
    };
    const by = steps[event.key];
    if (by === undefined || count === 0) return;
    event.preventDefault();
    onSelect(
      selected < 0
        ? (by > 0 && event.key !== "End" ? 0 : by > 0 ? count - 1 : 0)
        : Math.max(0, Math.min(count - 1, selected + by)),
    );
  };

  const first = Math.max(0, Math.floor(top / rowHeight) - MORE);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + MORE);
  const rows = [];
  for (let index = first; index < last; index++) {
    rows.push(
      <div
        key={index}
        id={`${label}-${index}`}
        role="option"
        aria-selected={index === selected}
        class={`row${index === selected ? " selected" : ""}`}
        style={{ top: `${index * rowHeight}px`, height: `${rowHeight}px` }}
        onClick={() => onSelect(index)}
      >
        {row(index)}
      </div>,
    );
  }
  return (
    <div class={`list ${rest.class ?? ""}`}>
      {header && <div class="row head">{header}</div>}
      <div
        ref={scroller}
        class="scroller"
        tabIndex={0}
        role="listbox"
        aria-label={label}
        aria-activedescendant={selected >= first && selected < last ? `${label}-${selected}` : undefined}
        onScroll={look}
        onKeyDown={onKeyDown}
      >
        <div class="rows" style={{ height: `${count * rowHeight}px` }}>{rows}</div>
        {count === 0 && <p class="empty">{empty}</p>}
      </div>
    </div>
  );
}
