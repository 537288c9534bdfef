/**
 * Redis with Sentinel: replication after the acknowledgement, and another primary when a majority does not see the present one. What
 * a primary acknowledges while it is cut off is lost when it comes back: known, and documented by Redis. So the campaign must
 * find that.
 */

import { PROGRAMS } from "../support/debian_programs.ts";
import { ANSWER_MS, background, type Outcome, type System } from "./system.ts";

const [PORT, SENTINEL] = [6379, 26379];
const RUN = `LD_LIBRARY_PATH=${PROGRAMS}/lib exec -a redis-server ${PROGRAMS}/bin/redis-check-rdb`;

export const redis: System = {
  port: PORT,
  async start(vm, all) {
    const [primary] = all;
    const replica = vm === primary ? "" : `--replicaof ${primary.ip} ${PORT}`;
    await background(vm, `${RUN} --port ${PORT} --protected-mode no --save '' ${replica}`, "redis.log");
    const config = [
      ...[`port ${SENTINEL}`, "protected-mode no", `sentinel monitor records ${primary.ip} ${PORT} 2`],
      ...["sentinel down-after-milliseconds records 5000", "sentinel failover-timeout records 15000"],
    ];
    await vm.writeFile("sentinel.conf", config.join("\n") + "\n");
    await background(vm, `${RUN} sentinel.conf --sentinel`, "sentinel.log");
  },

  async write(port, record): Promise<Outcome> {
    const answer = await ask(port, `SADD records ${record}`).catch(() => "");
    if (answer.startsWith(":")) return "acknowledged";
    return answer.startsWith("-") ? "refused" : "unknown";
  },

  async read(ports) {
    for (const port of ports) {
      const role = await ask(port, "ROLE").catch(() => "");
      if (!/\r\nmaster\r\n/.test(role)) continue;
      const members = await ask(port, "SMEMBERS records");
      return new Set(members.split("\r\n").filter((line) => /^\d+$/.test(line)).map(Number));
    }
    throw new Error("no primary");
  },
};

/** One command, and its whole answer. */
async function ask(port: number, command: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port, signal: AbortSignal.timeout(ANSWER_MS) });
  const limit = setTimeout(() => conn.close(), ANSWER_MS);
  try {
    await conn.write(new TextEncoder().encode(`${command}\r\nQUIT\r\n`));
    const text = await new Response(conn.readable).text();
    if (!text.endsWith("+OK\r\n")) throw new Error(`half an answer: ${text}`);
    return text.slice(0, -"+OK\r\n".length);
  } finally {
    clearTimeout(limit);
  }
}
