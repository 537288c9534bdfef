/**
 * A host that OpenSSH reaches: a real sshd on loopback, with a configuration, a port and a host key of its own, ten sessions a
 * connection, and, where this process is root, another user with another home.
 */

import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { which } from "../../src/system/process.ts";
import { FLEETBOX } from "../support/command.ts";
import { freePort } from "../support/free_ports.ts";
import { until } from "../support/processes.ts";
import type { Sandbox } from "../support/sandbox.ts";
import { pgrep } from "./pgrep.ts";

const PATH = `${Deno.env.get("PATH")}:/usr/sbin:/sbin:/usr/bin:/bin`;
const SSHD = which("sshd", PATH);
const IS_ROOT = Deno.uid() === 0;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Host extends AsyncDisposable {
  url: string;
  /** What is brought there: fleetbox of this checkout, with the store and the QEMU of the sandbox. */
  executable: string;
  /** For the client: an `ssh` that knows the host. */
  env: Record<string, string>;
  /** Replaces what the client knows of the host's key; without one nothing. */
  know(key?: string): void;
  hostKey: string;
  /** The processes of the connections to it. */
  connections(): Promise<number[]>;
}

/** @param user who logs in @param there whose store is the place's @param here whose commands go there @param env a variable of sessions there, `NAME=value` */
export async function sshHost(user: string, there: Sandbox, here: Sandbox, env?: string): Promise<Host> {
  if (!SSHD) throw new Error("There is no sshd: scripts/setup --tests installs openssh-server");
  const [dir, client] = [join(there.root, "sshd"), join(here.root, "client")];
  for (const one of [dir, client]) Deno.mkdirSync(one);
  if (IS_ROOT) await output("usermod", "--home", there.root, user);
  for (const key of [join(dir, "host"), join(client, "key")]) {
    await output("ssh-keygen", "-qt", "ed25519", "-N", "", "-f", key);
  }
  Deno.copyFileSync(join(client, "key.pub"), join(dir, "authorized_keys"));
  const port = freePort();
  const settings = {
    ...{ Port: port, ListenAddress: "127.0.0.1", HostKey: join(dir, "host"), PidFile: "none", MaxSessions: 10 },
    ...{ StrictModes: "no", UsePAM: "no", PasswordAuthentication: "no", KbdInteractiveAuthentication: "no" },
    ...(env === undefined ? {} : { SetEnv: env }),
    ...{ AuthorizedKeysFile: join(dir, "authorized_keys"), MaxStartups: "100" },
  };
  Deno.writeTextFileSync(join(dir, "config"), lines(settings));
  const executable = join(there.root, "fleetbox");
  const checkout = await checkoutForOthers();
  const variables = { ...there.env, DENO_DIR: join(there.root, "deno"), TMPDIR: there.root };
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}='${checkout.at(value)}'`);
  const program = `#!/bin/sh\n${exports.join("\n")}\nexec '${checkout.at(FLEETBOX)}' "$@"\n`;
  Deno.writeTextFileSync(executable, program, { mode: 0o755 });
  if (IS_ROOT) {
    Deno.mkdirSync("/run/sshd", { recursive: true });
    await output("chown", "-R", user, there.root);
    for (const path of [there.root, dir]) Deno.chmodSync(path, 0o755);
  }
  const known = join(client, "known");
  const settingsHere = {
    ...{ IdentityFile: join(client, "key"), IdentitiesOnly: "yes", IdentityAgent: "none", UserKnownHostsFile: known },
    GlobalKnownHostsFile: "/dev/null",
  };
  Deno.writeTextFileSync(join(client, "config"), lines(settingsHere));
  const bin = join(client, "bin");
  Deno.mkdirSync(bin);
  // A client of a member says -F itself, to read no configuration; this one is for the host.
  const ssh = which("ssh", PATH);
  const text = `#!/bin/sh\n[ "$1" = -F ] || set -- -F '${join(client, "config")}' "$@"\nexec '${ssh}' "$@"\n`;
  Deno.writeTextFileSync(join(bin, "ssh"), text, { mode: 0o755 });
  const hostKey = Deno.readTextFileSync(join(dir, "host.pub")).trim();
  const child = new Deno.Command(SSHD, {
    args: ["-D", "-f", join(dir, "config"), "-E", join(dir, "log")],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await until("sshd listens", () => isOpen(port));
  return {
    url: `ssh://${user}@127.0.0.1:${port}`,
    executable,
    env: { PATH: `${bin}:${here.env.PATH}` },
    hostKey,
    async connections() {
      const childrenOf = (pid: number) => pgrep("-P", String(pid));
      const monitors = await childrenOf(child.pid);
      return [...monitors, ...(await Promise.all(monitors.map(childrenOf))).flat()];
    },
    know: (key) => Deno.writeTextFileSync(known, key === undefined ? "" : `[127.0.0.1]:${port} ${key}\n`),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      checkout.remove();
    },
  };
}

/**
 * This checkout where another user reaches it, too: root's home directory is its own. Made of hard links, where that can be.
 * `at` is a path of this checkout there.
 */
async function checkoutForOthers(): Promise<{ at: (path: string) => string; remove: () => void }> {
  if (!IS_ROOT || !FLEETBOX.startsWith(ROOT)) return { at: (path) => path, remove() {} };
  const dir = Deno.makeTempDirSync({ prefix: "checkout" });
  Deno.chmodSync(dir, 0o755);
  const parts = [...Deno.readDirSync(ROOT)].filter(({ name }) => name !== ".git").map(({ name }) => join(ROOT, name));
  await output("cp", "-al", ...parts, dir).catch(() => output("cp", "-a", ...parts, dir)); // another file system
  return {
    at: (path) => path.replaceAll(ROOT, `${dir}/`),
    remove: () => Deno.removeSync(dir, { recursive: true }),
  };
}

/** Who logs in: where this process is root another user, who is gone at the end. It is not locked, and has no password. */
export async function hostUser(): Promise<{ name: string } & AsyncDisposable> {
  if (!IS_ROOT) return { name: (await output("id", "-un")).trim(), async [Symbol.asyncDispose]() {} };
  const name = `fbt-${Deno.pid}`;
  await output("useradd", "--no-create-home", "--shell", "/bin/sh", "--password", "*", name);
  return {
    name,
    async [Symbol.asyncDispose]() {
      await until("the user's processes have ended", async () => !(await isBusy(name)));
      await output("userdel", name);
    },
  };
}

async function isBusy(user: string): Promise<boolean> {
  return (await pgrep("-u", user)).length > 0;
}

function lines(settings: Record<string, string | number>): string {
  return Object.entries(settings).map(([key, value]) => `${key} ${value}\n`).join("");
}

async function isOpen(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(which(program, PATH) ?? program, { args, stdin: "null" })
    .output();
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
