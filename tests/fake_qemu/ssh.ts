/**
 * A fake `ssh` for machines of the fake QEMU that go on where they were saved: it plays the guest's side of
 * `src/guest/after_restore.ts`. It connects to the guest's port as ssh does, and wants its banner; then it runs the program that
 * the script has in it on a kernel that is an object (`fake_kernel.ts`).
 *
 * What a guest was told is a line of JSON in `renewals.jsonl` beside the file of behaviours: {@link Renewal}. The behaviour
 * `renewal` of `*` is `fail` (the guest's shell does) or `hang`.
 */

import { createHash } from "node:crypto";
import { dirname, join } from "../../src/system/path.ts";
import { FakeKernel } from "./fake_kernel.ts";

export interface Renewal {
  /** Of 127.0.0.1. */
  port: number;
  user: string;
  hostName: string;
  /** Whether its clock was set. */
  isClockSet: boolean;
  /** A digest of its new random bytes. */
  random: string;
}

/** ssh's own failures. */
const SSH_FAILED = 255;

const file = Deno.env.get("FLEETBOX_FAKE_QEMU_FILE")!;
const behaviour = JSON.parse(Deno.readTextFileSync(file))["*"]?.renewal;
const end = Deno.args.indexOf("--");
const [options, script] = [Deno.args.slice(0, end), Deno.args.slice(end + 1).join(" ")];
const port = Number(options[options.indexOf("-p") + 1]);
const [user] = options.at(-1)!.split("@");

function fail(code: number, message: string): never {
  console.error(message);
  Deno.exit(code);
}

/** Bytes that a format of printf(1) prints, as `printfFormat` writes it in the script. */
function programIn(script: string): Uint8Array {
  const [, format] = /printf '([^']*)'/.exec(script) ?? fail(127, "sh: the fake ssh knows no other script");
  const bytes: number[] = [];
  for (const [, octal, plain] of format.matchAll(/\\([0-7]{1,3})|([^\\])/g)) {
    bytes.push(octal === undefined ? plain.charCodeAt(0) : parseInt(octal, 8));
  }
  return Uint8Array.from(bytes);
}

async function banner(): Promise<void> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const bytes = new Uint8Array(64);
    const count = await connection.read(bytes);
    if (count && new TextDecoder().decode(bytes.subarray(0, count)).startsWith("SSH-")) return;
  } catch { /* nobody listens */ }
  fail(SSH_FAILED, "kex_exchange_identification: Connection closed by remote host");
}

await banner();
if (behaviour === "fail") fail(1, "sh: it was told to fail");
if (behaviour === "hang") await new Promise(() => setInterval(() => {}, 60_000));

const kernel = new FakeKernel();
const tell = () => {
  for (let bytes = kernel.take(); bytes.length > 0;) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
};
kernel.load(programIn(script));
tell();
for await (const bytes of Deno.stdin.readable) {
  kernel.feed(bytes);
  const { pool, hostName, settings } = kernel;
  if (pool) {
    const random = createHash("sha256").update(pool).digest("hex");
    const renewal: Renewal = { port, user, hostName, isClockSet: settings > 0, random };
    Deno.writeTextFileSync(join(dirname(file), "renewals.jsonl"), `${JSON.stringify(renewal)}\n`, { append: true });
  }
  tell();
  if (kernel.hasEnded) break;
}
