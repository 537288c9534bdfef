/** What is selected, in full, and how to do it again. */

import { useState } from "preact/hooks";
import { againOf, captureAgain } from "../data/again.ts";
import { layersOf } from "../data/frame.ts";
import { healOf } from "../data/actions.ts";
import { type ConsoleLine, type Live, record, text, texts, type Trace, type TraceEvent } from "../data/model.ts";
import type { Picture } from "../data/network.ts";
import { Actions, GroupActions } from "./actions.tsx";
import { Fields } from "./fields.tsx";
import { PairDetails, PlaceDetails } from "./network_details.tsx";
import { clockText, spanText, timeText } from "./words.ts";

export type Selection =
  | { what: "event"; event: TraceEvent }
  | { what: "packet"; packet: number }
  | { what: "line"; line: ConsoleLine }
  | { what: "pair"; a: string; b: string }
  | { what: "place"; name: string };

interface Props {
  trace: Trace;
  live: Live | undefined;
  selection: Selection | undefined;
  /** Where something of it is selected. */
  picture: Picture | undefined;
  onConsole(name: string): void;
  onSelect(event: TraceEvent): void;
  onRange(range: readonly [number, number]): void;
}

export function Details({ trace, live, selection, picture, onRange, ...on }: Props) {
  const shown = () => {
    switch (selection?.what) {
      case undefined:
        return <Overview trace={trace} live={live} />;
      case "event":
        return <EventDetails {...{ trace, live, onRange }} event={selection.event} />;
      case "packet":
        return <PacketDetails trace={trace} packet={selection.packet} />;
      case "line":
        return <LineDetails trace={trace} line={selection.line} />;
      case "pair":
        return picture && <PairDetails {...{ trace, live, picture, ...on }} a={selection.a} b={selection.b} />;
      case "place":
        return picture && <PlaceDetails {...{ trace, live, picture, ...on }} name={selection.name} />;
    }
  };
  return <div class="details" role="region" aria-label="Details" aria-live={live ? "off" : "polite"}>{shown()}</div>;
}

/** The trace itself: shown while nothing is selected. */
function Overview({ trace, live }: { trace: Trace; live: Live | undefined }) {
  const { meta } = trace;
  return (
    <>
      <h2>{meta.test ? meta.test.name : meta.group || "Trace"}</h2>
      {meta.test && <p class="dim">{`${meta.test.file}${meta.test.line ? `:${meta.test.line}` : ""}`}</p>}
      {live && <GroupActions trace={trace} live={live} />}
      {trace.error && <pre class="bad">{trace.error.slice(0, 20_000)}</pre>}
      <Fields
        fields={[
          ["started", timeText(meta.started)],
          ["lasted", spanText(trace.end - trace.start)],
          ["command", meta.command.join(" ")],
          ["seed", meta.seed],
          ["fleetbox", meta.fleetbox],
          ["hypervisor", [meta.hypervisor, meta.accelerator].filter(Boolean).join(", ")],
          ["host", meta.host],
        ]}
      />
      <h3>Members</h3>
      {trace.members.map(({ name, ip, image, cpus, memoryMb }) => (
        <p key={name} class="member-line">
          <b>{name}</b> {[ip, image, cpus && `${cpus} CPU`, memoryMb && `${memoryMb} MiB`].filter(Boolean).join(" · ")}
        </p>
      ))}
      {trace.notices.length > 0 && <h3>{live ? "Not known" : "Not in this bundle"}</h3>}
      {trace.notices.map((notice) => <p key={notice} class="notice">{notice}</p>)}
    </>
  );
}

/** What has a place of its own in {@link EventDetails}. */
const SHOWN_APART = new Set([
  "at",
  "event",
  "name",
  "members",
  "stdout",
  "stderr",
  "argv",
  "spec",
  "command",
  "error",
  "duration_ms",
]);

function EventDetails(
  { trace, live, event, onRange }: Pick<Props, "trace" | "live" | "onRange"> & { event: TraceEvent },
) {
  const { raw } = event;
  const rest = Object.entries(raw).filter(([key]) => !SHOWN_APART.has(key));
  const until = event.until ?? event.at;
  return (
    <>
      <h2>
        <span class={`kind ${event.kind}`}>{event.kind}</span> {event.members.join(", ")}
      </h2>
      <p class={event.isBad ? "what bad" : "what"}>{event.text}</p>
      <Fields
        fields={[
          ["at", clockText(event.at - trace.start)],
          ["time", timeText(event.at)],
          ["lasts", event.until === undefined ? "" : spanText(event.until - event.at)],
          ...rest.map(([key, value]): [string, string] => [key.replaceAll("_", " "), asText(value)]),
        ]}
      />
      {live && <Actions live={live} actions={healOf(event)} />}
      <Again line={againOf(event)} />
      <button type="button" onClick={() => onRange([event.at - 500, until + 500])}>Show its time only</button>
      {texts(raw.argv).length > 0 && (
        <Block
          title="Arguments"
          content={texts(raw.argv).map((word) => JSON.stringify(word)).join("\n")}
        />
      )}
      <Block title="Standard output" content={text(raw.stdout)} />
      <Block title="Standard error" content={text(raw.stderr)} />
      <Block title="Error" content={text(raw.error)} />
      {raw.spec !== undefined && <Block title="As a plan has it" content={JSON.stringify(record(raw.spec), null, 2)} />}
    </>
  );
}

function PacketDetails({ trace, packet }: { trace: Trace; packet: number }) {
  const { packets } = trace;
  const frame = packets.frame(packet);
  const from = packets.sender(packet), to = packets.receiver(packet);
  return (
    <>
      <h2>
        <span class={`protocol ${packets.protocol(packet)}`}>{packets.protocol(packet)}</span> {from} →{" "}
        {to === "*" ? "all" : to}
      </h2>
      <p class={packets.dropped[packet] ? "what bad" : "what"}>{packets.info(packet)}</p>
      {packets.comments(packet).map((comment, index) => <p key={index} class="notice">{comment}</p>)}
      <Fields
        fields={[
          ["at", clockText(packets.times[packet] - trace.start)],
          ["time", timeText(packets.times[packet])],
          [
            "length",
            `${packets.lengths[packet]} bytes${frame.length < packets.lengths[packet] ? `, ${frame.length} kept` : ""}`,
          ],
        ]}
      />
      {layersOf(frame).map(({ name, fields }) => (
        <section key={name}>
          <h3>{name}</h3>
          <Fields fields={fields} />
        </section>
      ))}
      <Again line={captureAgain(from, to)} />
      <Block title="Bytes" content={hexOf(frame)} />
    </>
  );
}

function LineDetails({ trace, line }: { trace: Trace; line: ConsoleLine }) {
  return (
    <>
      <h2>console of {line.member}</h2>
      <Fields fields={[["at", clockText(line.at - trace.start)], ["time", timeText(line.at)]]} />
      <Block title="Line" content={line.text} />
      <Again line={/^[a-z0-9-]+$/.test(line.member) ? `fleetbox logs ${line.member}` : undefined} />
    </>
  );
}

function Block({ title, content }: { title: string; content: string }) {
  if (content === "") return null;
  return (
    <section>
      <h3>{title}</h3>
      <pre tabIndex={0}>{content}</pre>
    </section>
  );
}

/** The command line, with a button that copies it. */
function Again({ line }: { line: string | undefined }) {
  const [copied, setCopied] = useState<string>();
  if (line === undefined) return null;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
      setCopied(line);
    } catch {
      getSelection()?.selectAllChildren(document.getElementById("again")!); // the user's own copy key does the rest
    }
  };
  return (
    <section class="again">
      <h3>Do this again</h3>
      <div>
        <code id="again">{line}</code>
        <button type="button" onClick={copy} aria-label="Copy the command line">
          {copied === line ? "Copied" : "Copy"}
        </button>
      </div>
    </section>
  );
}

const asText = (value: unknown) =>
  typeof value === "string"
    ? value
    : typeof value === "number"
    ? String(Math.round(value * 1000) / 1000)
    : JSON.stringify(value);

/** Eight bytes a line. */
function hexOf(bytes: Uint8Array): string {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 8) {
    const part = [...bytes.subarray(at, at + 8)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const plain = part.map((byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".").join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(23)}  ${plain}`);
  }
  return lines.join("\n");
}
