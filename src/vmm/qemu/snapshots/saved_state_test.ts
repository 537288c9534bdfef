import * as assert from "#assert";
import { FleetboxError } from "../../../core/errors.ts";
import { Workspace } from "../../../../tests/fake_qemu/machine.ts";
import { difference, parseHeader, playState, readState, receiveState } from "./saved_state.ts";

const FIT = { host: "QEMU 7.2.22; tcg", hardware: "1 CPUs; 64 MiB of memory" };

function source(pieces: Uint8Array[]): Pick<Deno.Conn, "read"> {
  return {
    read(buffer) {
      const piece = pieces.shift();
      if (piece) buffer.set(piece);
      return Promise.resolve(piece ? piece.length : null);
    },
  };
}

/** A state of 100,000 bytes in a file. */
async function written(workspace: Workspace): Promise<{ path: string; content: Uint8Array }> {
  const path = `${workspace.path}/devices`;
  Deno.writeFileSync(path, new Uint8Array());
  const content = crypto.getRandomValues(new Uint8Array(50_000));
  await receiveState(
    source([content.subarray(0, 1), content.subarray(1, 40_000), content.subarray(40_000)]),
    path,
    FIT,
  );
  return { path, content };
}

const damaged = (words: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === "damaged" && words.test(error.message);

Deno.test("a state comes out of its file as it went in, with what it fits", async () => {
  await using workspace = new Workspace();
  const { path, content } = await written(workspace);
  const { host, hardware, bytes } = await readState(path);
  assert.deepEqual({ host, hardware, bytes }, { ...FIT, bytes: content.length });
  const played: number[] = [];
  await playState(path, {
    write: (piece) => (played.push(...piece.subarray(0, 1000)), Promise.resolve(Math.min(1000, piece.length))),
  });
  assert.deepEqual(new Uint8Array(played), content);
});

Deno.test("a state that was cut off, changed or never finished is damaged, one that is missing is not found", async () => {
  await using workspace = new Workspace();
  const { path } = await written(workspace);
  const whole = Deno.readFileSync(path);
  Deno.writeFileSync(path, whole.subarray(0, whole.length - 1));
  await assert.rejects(readState(path), damaged(/49999 bytes, expected 50000/));
  const changed = whole.slice();
  changed[20_000] ^= 1;
  Deno.writeFileSync(path, changed);
  await assert.rejects(readState(path), damaged(/not what was written/));
  Deno.writeFileSync(path, new Uint8Array(whole.length)); // its header is written last
  await assert.rejects(readState(path), damaged(/does not begin as one/));
  Deno.writeTextFileSync(path, "");
  await assert.rejects(readState(path), damaged(/does not begin as one/));
  await assert.rejects(readState(`${path}-2`), (error) => error instanceof FleetboxError && error.code === "not-found");
});

Deno.test("a header that is none is none, whatever it holds", () => {
  for (const text of ["", "{}", "null", "[]", '{"what":"fleetbox saved machine","version":2}']) {
    assert.equal(parseHeader(text), undefined);
  }
});

Deno.test("a difference names the parts that differ", () => {
  assert.equal(difference("QEMU 7.2; tcg", "QEMU 7.2; tcg"), undefined);
  assert.equal(difference("QEMU 7.2; tcg", "QEMU 8.0; tcg"), "found QEMU 8.0, expected QEMU 7.2");
  assert.equal(difference("a; b", "a"), "found less, expected b");
});
