/** What can be done to a group that runs: each action with its command line beside it, and what was run with its result. */

import { useEffect, useRef, useState } from "preact/hooks";
import { GATEWAY } from "../../core/faults/gateway_name.ts";
import {
  type Action,
  captureIn,
  captureOf,
  checkpointOf,
  HEAL_ALL,
  lineOf,
  type Shape,
  shapeOf,
  thoseOn,
} from "../data/actions.ts";
import type { Live, Ran, Trace } from "../data/model.ts";

/** A command line, that breaks between its words. */
export const Line = ({ line }: { line: string }) => (
  <code>{line.split(" ").flatMap((word, index) => [index > 0 ? " " : "", <span key={index}>{word}</span>])}</code>
);

/** Buttons, each with the line that it runs. */
export function Actions({ live, actions }: { live: Live; actions: readonly Action[] }) {
  const [asked, setAsked] = useState<string>();
  return (
    <div class="actions">
      {actions.map((action) => {
        const line = lineOf(action.words);
        const run = () => {
          setAsked(undefined);
          void live.run(action.words);
        };
        if (action.asks && asked === line) {
          return <Question key={line} action={action} onYes={run} onNo={() => setAsked(undefined)} />;
        }
        return (
          <div key={line} class="action">
            <button
              type="button"
              disabled={live.status !== "live"}
              onClick={action.asks ? () => setAsked(line) : run}
            >
              {action.label}
              {action.asks && " …"}
            </button>
            <Line line={line} />
          </div>
        );
      })}
    </div>
  );
}

function Question({ action, onYes, onNo }: { action: Action; onYes(): void; onNo(): void }) {
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => no.current!.focus(), []);
  return (
    <div class="question" role="alertdialog" aria-label={action.asks}>
      <p>{action.asks}</p>
      <Line line={lineOf(action.words)} />
      <button type="button" class="danger" onClick={onYes}>{action.label}</button>
      <button type="button" ref={no} onClick={onNo}>Cancel</button>
    </div>
  );
}

/** Begins a capture, or ends the one of the same names that runs. */
export function CaptureAction({ live, names }: { live: Live; names: readonly string[] }) {
  const runs = captureIn(live.ran, names);
  if (!runs) return <Actions live={live} actions={[captureOf(names)]} />;
  return (
    <div class="actions">
      <div class="action">
        <EndCapture live={live} ran={runs} />
        <Line line={runs.line} />
      </div>
    </div>
  );
}

function EndCapture({ live, ran }: { live: Live; ran: Ran }) {
  return <button type="button" disabled={live.status !== "live"} onClick={() => live.end(ran.id)}>End capture</button>;
}

const WAYS = ["both ways", "there", "back"] as const;

/** Makes a link slow, late or lossy. */
export function ShapeAction({ live, a, b }: { live: Live; a: string; b: string }) {
  const [shape, setShape] = useState<Shape>({ delay: "50ms", loss: "", rate: "" });
  const [way, setWay] = useState<typeof WAYS[number]>("both ways");
  const [from, to] = way === "both ways" ? [[a, b], [a, b]] : way === "there" ? [[a], [b]] : [[b], [a]];
  const said = { "both ways": "both ways", there: `${a} → ${b}`, back: `${b} → ${a}` };
  const input = (key: keyof Shape, example: string) => (
    <label>
      {key}
      <input
        value={shape[key]}
        placeholder={example}
        spellcheck={false}
        onInput={(event) => setShape({ ...shape, [key]: event.currentTarget.value })}
      />
    </label>
  );
  const isEmpty = Object.values(shape).every((value) => value.trim() === "");
  return (
    <form class="shape" onSubmit={(event) => event.preventDefault()}>
      <label>
        way
        <select value={way} onChange={(event) => setWay(event.currentTarget.value as typeof WAYS[number])}>
          {WAYS.map((one) => <option key={one} value={one}>{said[one]}</option>)}
        </select>
      </label>
      {input("delay", "50ms")}
      {input("loss", "5%")}
      {input("rate", "1mbit")}
      <Actions live={live} actions={isEmpty ? [] : [shapeOf(from, to, shape)]} />
    </form>
  );
}

/** What can be done to all of them. */
export function GroupActions({ trace, live }: { trace: Trace; live: Live }) {
  const [name, setName] = useState("");
  const action = checkpointOf(trace, name);
  return (
    <>
      <h3>Do to the group</h3>
      <Actions live={live} actions={[HEAL_ALL]} />
      <CaptureAction live={live} names={[...thoseOn(trace), GATEWAY]} />
      <form class="shape" onSubmit={(event) => event.preventDefault()}>
        <label>
          checkpoint as
          <input
            value={name}
            placeholder="a name"
            spellcheck={false}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        {name.trim() !== "" && action.words[1] !== "" && <Actions live={live} actions={[action]} />}
      </form>
    </>
  );
}

/** What was run, the newest first. */
export function RanList({ live }: { live: Live }) {
  return (
    <section class="ran" aria-label="What was run">
      <h3>What was run</h3>
      {live.ran.length === 0 && (
        <p class="dim">Nothing yet. Click on a link or on a member: each action has its command line beside it.</p>
      )}
      <ol aria-live="polite">
        {live.ran.toReversed().map((ran) => (
          <li key={ran.id}>
            <Line line={ran.line} />
            <span class={ran.code ? "bad" : "dim"}>
              {ran.code === undefined ? "runs" : ran.code === 0 ? "done" : ran.id < 0 ? "refused" : `code ${ran.code}`}
            </span>
            {ran.code === undefined && ran.line.startsWith("fleetbox capture") && <EndCapture live={live} ran={ran} />}
            {ran.output && <pre tabIndex={0} class={ran.code ? "bad" : ""}>{ran.output}</pre>}
          </li>
        ))}
      </ol>
    </section>
  );
}
