/** What is selected in the picture of the network, and what can be done to it. */

import { lineOf, memberActions, pairActions } from "../data/actions.ts";
import type { Live, Trace, TraceEvent } from "../data/model.ts";
import type { Picture } from "../data/network.ts";
import { Actions, CaptureAction, Line, ShapeAction } from "./actions.tsx";
import { Fields } from "./fields.tsx";
import { countText } from "./words.ts";

interface Props {
  trace: Trace;
  live: Live | undefined;
  picture: Picture;
  onConsole(name: string): void;
  onSelect(event: TraceEvent): void;
}

export function PairDetails({ live, picture, onSelect, a, b }: Props & { a: string; b: string }) {
  const pair = picture.pairs.find(({ ways: [{ from, to }] }) => from === a && to === b);
  if (!pair) return <h2>{a} – {b}</h2>;
  return (
    <>
      <h2>{a} – {b}</h2>
      <Fields
        fields={pair.ways.map(({ from, to, frames, dropped }) => [
          `${from} → ${to}`,
          `${countText(frames)} frames${dropped > 0 ? `, ${countText(dropped)} dropped` : ""}`,
        ])}
      />
      <Faults faults={pair.faults} onSelect={onSelect} />
      {live && (
        <>
          <h3>Do</h3>
          <Actions live={live} actions={pairActions(pair)} />
          <ShapeAction key={`${a} ${b}`} live={live} a={a} b={b} />
          <CaptureAction live={live} names={[a, b]} />
        </>
      )}
    </>
  );
}

export function PlaceDetails({ trace, live, picture, onConsole, onSelect, name }: Props & { name: string }) {
  const place = picture.places.find((one) => one.name === name);
  if (!place) return <h2>{name}</h2>;
  const member = trace.members.find((one) => one.name === name);
  return (
    <>
      <h2>{name}</h2>
      <Fields
        fields={[
          ["state", [place.state, place.stage].filter(Boolean).join(" · ")],
          ["address", place.ip],
          ["image", member?.image ?? ""],
          ["memory", member?.memoryMb ? `${member.memoryMb} MiB` : ""],
        ]}
      />
      <Faults faults={place.faults} onSelect={onSelect} />
      {trace.casts.some((cast) => cast.member === name) && (
        <div class="action">
          <button type="button" onClick={() => onConsole(name)}>Console</button>
          {live && <Line line={lineOf(["console", name])} />}
        </div>
      )}
      {live && (
        <>
          <h3>Do</h3>
          <Actions live={live} actions={memberActions(trace, place)} />
          <CaptureAction live={live} names={[name]} />
        </>
      )}
    </>
  );
}

function Faults({ faults, onSelect }: { faults: readonly TraceEvent[]; onSelect(event: TraceEvent): void }) {
  return (
    <>
      {faults.map((fault) => (
        <p key={fault.index} class="notice">
          <button type="button" class="plain" onClick={() => onSelect(fault)}>{fault.text}</button>
        </p>
      ))}
    </>
  );
}
