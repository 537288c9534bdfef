import * as assert from "#assert";
import { isOtherUsers, ownerOf } from "./tcp_peer.ts";

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0FA0 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C001 0100007F:0FA0 01 00000000:00000000 00:00000000 00000000  1000        0 113 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:C002 0100007F:0FA0 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   4: 0100007F:C003 0100007F:0FA1 01 00000000:00000000 00:00000000 00000000  1001        0 114 1 0000000000000000 20 4 30 10 -1
`;
const TABLE_6 =
  `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:C001 0000000000000000FFFF00000100007F:0FA0 01 00000000:00000000 00:00000000 00000000  1002        0 113 1 0 20 4 30 10 -1
`;

Deno.test("the user of a connection's client is known by both ports, and not when its socket is closed", () => {
  const users = [0xc001, 0xc002, 0xc003].map((from) => ownerOf(TABLE, { from, to: 4000 }));
  assert.deepEqual(users, [1000, undefined, undefined]);
  assert.equal(ownerOf(TABLE_6, { from: 0xc001, to: 4000 }), 1002);
});

Deno.test({
  name: "a connection of ours is ours; one that is not there is not",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port: to } = listener.addr;
    using client = await Deno.connect({ hostname: "127.0.0.1", port: to });
    using served = await listener.accept();
    const { port: from } = served.remoteAddr;
    assert.equal(isOtherUsers({ from, to }), false);
    assert.equal(isOtherUsers({ from, to: from }), true);
    client.closeWrite();
    assert.equal(isOtherUsers({ from, to }), false);
  },
});
