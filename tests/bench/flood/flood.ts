/**
 * A member's link in the flood: bytes pass between the fake QEMU's guest and the holder's switch, until there is a file
 * `flood` beside the socket. From then on the guest that the file names sends 1,514-byte frames to the address in it, as
 * fast as its socket takes them; everything that arrives is read and discarded. It ends with the fake QEMU.
 *
 * The file: `{"from": MAC, "to": MAC, "socket": PATH}`; a link with another socket only listens.
 */

import { sleep } from "../bench.ts";

export const FRAME_BYTES = 1514;
const FRAMES_PER_WRITE = 43;

export interface Order {
  from: string;
  to: string;
  socket: string;
}

async function main(socket: string): Promise<void> {
  let isFlooding = false;
  const ends: { holder?: Deno.Conn } = {};
  const listener = Deno.listen({ transport: "unix", path: socket });
  const guest = await connectWhenThere(`${socket}.in`);
  void pass(guest, () => isFlooding ? undefined : ends.holder).then(() => Deno.exit(0));
  const holder = ends.holder = await listener.accept();
  void pass(holder, () => isFlooding ? undefined : guest).catch(() => {});
  const file = `${socket.slice(0, socket.lastIndexOf("/"))}/flood`;
  for (;;) {
    await sleep(50);
    let order: Order;
    try {
      order = JSON.parse(Deno.readTextFileSync(file));
    } catch {
      continue;
    }
    isFlooding = true;
    if (order.socket === socket) await flood(holder, order);
    return;
  }
}

async function pass(from: Deno.Conn, to: () => Deno.Conn | undefined): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  for (let count; (count = await from.read(buffer)) !== null;) await write(to(), buffer.subarray(0, count));
}

async function flood(conn: Deno.Conn, { from, to }: Order): Promise<void> {
  const bytes = (mac: string) => mac.split(":").map((octet) => parseInt(octet, 16));
  const one = new Uint8Array(4 + FRAME_BYTES);
  new DataView(one.buffer).setUint32(0, FRAME_BYTES);
  one.set([...bytes(to), ...bytes(from), 0x08, 0x00], 4);
  // An IPv4 header that claims nothing: no address of the group, UDP, the whole frame's length.
  one.set([0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2], 18);
  const block = new Uint8Array(one.length * FRAMES_PER_WRITE);
  for (let index = 0; index < FRAMES_PER_WRITE; index++) block.set(one, index * one.length);
  for (;;) await write(conn, block);
}

async function write(conn: Deno.Conn | undefined, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; conn && sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

async function connectWhenThere(path: string): Promise<Deno.Conn> {
  for (let tries = 0;; tries++) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (thrown) {
      if (tries === 2_000) throw thrown;
      await sleep(5);
    }
  }
}

if (import.meta.main) await main(Deno.args[0]).catch(() => Deno.exit(1));
