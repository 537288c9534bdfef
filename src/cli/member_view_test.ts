import * as assert from "#assert";
import { forwardLine, publicPorts } from "./member_view.ts";

Deno.test("a port forward says its address and its protocol, and who can use it", () => {
  const forwards = [
    { host_port: 8080, guest_port: 80 },
    { host_port: 53, guest_port: 5353, protocol: "udp" as const, address: "127.0.0.2" },
    { host_port: 53, guest_port: 54, protocol: "udp" as const, address: "0.0.0.0" },
  ];
  assert.deepEqual(forwards.map((one) => forwardLine({ ...one, open: true })), [
    "127.0.0.1:8080 leads to port 80",
    "127.0.0.2:53 leads to UDP port 5353",
    "0.0.0.0:53 leads to UDP port 54",
  ]);
  assert.deepEqual(publicPorts("web", forwards), [
    "warning: other hosts can reach UDP port 54 of web, through 0.0.0.0:53",
  ]);
});
