import * as assert from "#assert";
import { until } from "../../tests/support/processes.ts";
import { listener, ownerInLsof, ownerInProc } from "./port_owner.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const row = (local: string, state: string, inode: number) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0\n`;

Deno.test("a listener on a port of the loopback is told apart from connections, and from other addresses", () => {
  const at = (...rows: string[]) => listener(HEAD + rows.join(""), 8080);
  assert.equal(at(row("0100007F:1F90", "0A", 11)), "11");
  assert.equal(at(row("00000000:1F90", "0A", 12)), "12");
  assert.equal(at(row(`${"0".repeat(32)}:1F90`, "0A", 13)), "13");
  assert.equal(at(row("0000000000000000FFFF00000100007F:1F90", "0A", 14)), "14");
  assert.equal(at(row("0100007F:1F90", "01", 15)), undefined, "a connection");
  assert.equal(at(row("0200000A:1F90", "0A", 16)), undefined, "another address");
  assert.equal(at(row("0100007F:1F91", "0A", 17)), undefined, "another port");
  assert.equal(at(row("0100007F:1F91", "0A", 18), row("0100007F:1F90", "0A", 19)), "19");
  assert.equal(listener("", 8080), undefined);
});

Deno.test("lsof's output for listeners is read; no output means no listener", () => {
  assert.deepEqual(ownerInLsof("p4711\ncpython3.11\nf3\n"), { pid: 4711, program: "python3.11" });
  assert.deepEqual(ownerInLsof("p1\ncGoogle Chrome\nf3\np2\ncother\nf4"), { pid: 1, program: "Google Chrome" });
  assert.equal(ownerInLsof(""), undefined);
});

Deno.test({
  name: "the program that listens is found by its process",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const ours = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = ours.addr;
    const owner = ownerInProc(port)!;
    assert.equal(owner.pid, Deno.pid);
    assert.match(owner.program!, /deno/);
    ours.close();
    // Tests of other files start programs from this same process: until such a child has become its program, it has this
    // socket open as well.
    await until("nobody listens", () => ownerInProc(port) === undefined, undefined, () => ownerInProc(port));
  },
});
