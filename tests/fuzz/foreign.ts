/** What a hostile or clumsy peer might send, as fast-check arbitraries: near misses rather than noise. */

import fc from "fast-check";

/** Words that break programs: keys of every object, YAML's and shells' traps, controls, halves of characters. */
export const TRAPS = [
  ...["__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "length", "then", "toJSON"],
  ...[
    "",
    " ",
    "\0",
    "\n",
    "\r\n",
    "\t",
    "'",
    '"',
    "\\",
    ",",
    "=",
    "%",
    "$(id)",
    "`id`",
    "~",
    "#",
    "- x",
    ": ",
    "&a",
    "*a",
  ],
  ...[
    "!!python/object",
    "no",
    "null",
    "1e999",
    "-0",
    "0x1f",
    "2001-01-01",
    "---",
    "...",
    "<<",
    "{",
    "[",
    "\u2028",
    "\ufeff",
  ],
  ...[
    "\ud800",
    "\udfff",
    "\u0085",
    "\x7f",
    "\x1b[2J",
    "\x1b]0;x\x07",
    "-oProxyCommand=id",
    "--help",
    "../..",
    "/dev/null",
  ],
];

export const text = fc.oneof(
  fc.constantFrom(...TRAPS),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(fc.constantFrom(...TRAPS), { maxLength: 4 }).map((parts) => parts.join("")),
);

const scalar = fc.oneof(
  text,
  fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, 2 ** 53, -(2 ** 31), 65_536, [], {}),
  // Values for which String() and template literals throw.
  fc.constant(JSON.parse('{"toString":1,"valueOf":[],"toJSON":0}')),
  fc.integer(),
);

/** A JSON value, as JSON.parse gives it: with keys that objects already have. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(text, tie("value")), { maxLength: 3 }).map(object),
  ),
})).value;

function object(entries: [string, unknown][]): unknown {
  return JSON.parse(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`);
}

/** JSON text like `good`: with other values, missing keys or extra keys; or cut, or corrupted. */
export function like(...good: object[]): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.nat(30),
    fc.oneof({ weight: 3, arbitrary: json }, {
      weight: 1,
      arbitrary: fc.constant(undefined),
    }),
  );
  return fc.tuple(
    fc.constantFrom(...good),
    fc.array(change, { maxLength: 3 }),
    fc.array(fc.tuple(text, json), { maxLength: 2 }),
    fc.nat(20),
    fc.nat(400),
    text,
  ).map(([model, changes, more, how, at, spoil]) => {
    const entries = new Map<string, unknown>(Object.entries(structuredClone(model)));
    const keys = [...entries.keys()];
    for (const [index, value] of changes) {
      const key = keys[index % Math.max(1, keys.length)];
      const inner = entries.get(key);
      if (value === undefined) entries.delete(key);
      else if (index % 2 === 1 && typeof inner === "object" && inner !== null && !Array.isArray(inner)) {
        const names = Object.keys(inner);
        entries.set(key, { ...inner, [names[index % Math.max(1, names.length)] ?? "x"]: value });
      } else entries.set(key, value);
    }
    for (const [key, value] of more) entries.set(key, value);
    const whole = `{${
      [...entries].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")
    }}`;
    if (how === 0) return whole.slice(0, at);
    if (how === 1) return whole.slice(0, at) + spoil + whole.slice(at);
    return whole;
  });
}

/** Cuts a text or bytes at any places, as sockets do. */
export function pieces<T extends { slice(from: number, to?: number): T; length: number }>(
  whole: T,
  cuts: readonly number[],
): T[] {
  const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => whole.slice(from, at[index] ?? whole.length));
}

export const cuts = fc.array(fc.nat(5_000), { maxLength: 4 });

/** Bytes like `good`: some are different, and the end may be cut or longer. */
export function bytesLike(good: readonly Uint8Array[], least = 0): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat(120), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x3f, 0x40, 0xc0, 0xff)));
  return fc.tuple(
    fc.constantFrom(...good),
    fc.array(change, { maxLength: 4 }),
    fc.nat(100),
    fc.uint8Array({ maxLength: 8 }),
  )
    .map(([model, changes, cut, tail]) => {
      const end = cut > 60 ? Math.max(least, model.length - (cut - 60)) : model.length;
      const bytes = cut < 20 ? Uint8Array.from([...model.subarray(0, end), ...tail]) : model.slice(0, end);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
}
