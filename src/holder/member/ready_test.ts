import * as assert from "#assert";
import { Hints } from "./hints.ts";
import { untilSsh } from "./ready.ts";

const BANNER = new TextEncoder().encode("SSH-2.0-test\r\n");

/** A server on loopback that is waited for as a guest's is; what it does with each connection is the test's. */
function guestToWaitFor() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const hints = new Hints();
  const end = new AbortController();
  const ready = untilSsh({ host: "127.0.0.1", port: listener.addr.port }, {
    signal: end.signal,
    onHint: (hint) => hints.on(hint),
  });
  ready.catch(() => {}); // the test awaits it
  return {
    hints,
    ready,
    accept: () => listener.accept(),
    close: () => listener.close(),
    [Symbol.dispose]: () => end.abort(),
  };
}

Deno.test("ready: hints that come while a probe waits for its answer start no second one", async () => {
  using guest = guestToWaitFor();
  guest.hints.give();
  using first = await guest.accept();
  let others = 0;
  const other = guest.accept().then((conn) => {
    others++;
    conn.close();
  }).catch(() => {}); // the listener is closed
  for (let count = 0; count < 5; count++) {
    guest.hints.give();
    await new Promise((later) => setTimeout(later, 10));
  }
  await first.write(BANNER);
  await guest.ready;
  guest.close();
  await other;
  assert.equal(others, 0);
});

Deno.test("ready: a probe that is not answered does not stand in the way of the one that a later hint starts", async () => {
  using guest = guestToWaitFor();
  guest.hints.give();
  using _silent = await guest.accept();
  guest.hints.give();
  using second = await guest.accept();
  await second.write(BANNER);
  await guest.ready;
  guest.close();
});
