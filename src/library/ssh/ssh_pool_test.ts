import * as assert from "#assert";
import { sharedBy } from "./ssh_pool.ts";

Deno.test("lanes: commands share a connection where the server can, and not on a dropbear before 2024.86", () => {
  assert.equal(sharedBy("SSH-2.0-OpenSSH_9.2p1 Debian-2"), 8);
  assert.equal(sharedBy(undefined), 8);
  assert.equal(sharedBy("SSH-2.0-dropbear_2022.83"), 1);
  assert.equal(sharedBy("SSH-2.0-dropbear_2024.85"), 1);
  assert.equal(sharedBy("SSH-2.0-dropbear_2024.86"), 8);
  assert.equal(sharedBy("SSH-2.0-dropbear_2025.87"), 8);
});
