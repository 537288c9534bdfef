/** etcd: a store that agrees by Raft, and syncs what it acknowledges. Its JSON gateway is documented as "gRPC gateway", v3. */

import { PROGRAMS } from "../support/debian_programs.ts";
import { ANSWER_MS, background, type Outcome, type System } from "./system.ts";

const [PEERS, CLIENTS] = [2380, 2379];

export const etcd: System = {
  port: CLIENTS,
  async start(vm, all) {
    const peer = (ip: string) => `http://${ip}:${PEERS}`;
    const options = {
      "name": vm.name,
      "data-dir": "etcd",
      "listen-peer-urls": peer(vm.ip),
      "initial-advertise-peer-urls": peer(vm.ip),
      "listen-client-urls": `http://0.0.0.0:${CLIENTS}`,
      "advertise-client-urls": `http://${vm.ip}:${CLIENTS}`,
      "initial-cluster": all.map(({ name, ip }) => `${name}=${peer(ip)}`).join(","),
      // Emulated machines are slow.
      "heartbeat-interval": "500",
      "election-timeout": "5000",
    };
    const words = Object.entries(options).map(([key, value]) => `--${key} ${value}`);
    await background(vm, `exec ${PROGRAMS}/bin/etcd ${words.join(" ")}`, "etcd.log");
  },

  async write(port, record): Promise<Outcome> {
    const answer = await ask(port, "put", { key: btoa(keyOf(record)), value: btoa(String(record)) }).catch(() => {});
    // It may have been written nevertheless, whatever the error.
    return answer ? "acknowledged" : "unknown";
  },

  /** A range is linearizable by default: a majority has agreed. */
  async read([port]) {
    const all = { key: btoa("records/"), range_end: btoa("records0"), keys_only: true };
    const { kvs = [] } = await ask(port, "range", all) as { kvs?: { key: string }[] };
    return new Set(kvs.map(({ key }) => Number(atob(key).slice("records/".length))));
  },
};

function keyOf(record: number): string {
  return `records/${record}`;
}

async function ask(port: number, verb: string, body: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/v3/kv/${verb}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return JSON.parse(text);
}
