/** A bare echo over a unix socket, one request per connection: what the holder's `status` is measured against. */

const [path] = Deno.args;
const listener = Deno.listen({ transport: "unix", path });
console.log("listening");
for await (const conn of listener) {
  void (async () => {
    const buffer = new Uint8Array(2048);
    const count = await conn.read(buffer);
    if (count !== null) await conn.write(buffer.subarray(0, count));
    conn.close();
  })();
}
