/**
 * A program that uses the library at a place, whose guests are fake: it prints a line of JSON for each thing that it was told
 * to do. `library.ts` runs it, on Deno, and some of it on Node.
 */

import { existsSync } from "node:fs";
import process from "node:process";
import { openCheckpoint, start, startCluster } from "../../../mod.ts";
import { hostProblem } from "../../../testing.ts";
import { answerAt, tell, thrown } from "../../support/library_program.ts";

const [what, ...words] = process.argv.slice(2);

const on = "big";
switch (what) {
  case "all": {
    const [fixture] = words;
    const options = { on, egress: "off", fixtures: [{ hostPath: fixture, guestPath: "/srv" }] } as const;
    const cluster = await startCluster(
      { a: { publish: [{ hostPort: Number(words[1]), guestPort: 80 }] }, b: {} },
      options,
    );
    const [a, b] = cluster.vms;
    tell(cluster.vms.map(({ name, hostName, ip }) => `${name} ${hostName} ${ip}`));
    tell([a.ssh.host, await answerAt(a.ssh.port), existsSync(a.ssh.keyPath)]);
    tell([
      await answerAt(Number(words[1])),
      await answerAt(await b.forward(22)),
      await b.forward(22) === await b.forward(22),
    ]);
    tell([await a.state(), (await a.console()).includes("fleetbox-micro:")]);
    const fault = await cluster.partition([[a], [b]]);
    tell([fault.what, await fault.heal()]);
    await b.stop();
    tell([await b.state(), await thrown(() => b.exec("true"))]);
    await b.start();
    tell([await b.state(), await answerAt(b.ssh.port)]);
    const c = await cluster.add("c");
    tell([c.hostName, await c.state()]);
    await c.kill();
    await c.destroy();
    tell(await c.state());
    await a.pause();
    await a.resume();
    tell(await thrown(() => start(a.storeName, { on, egress: "off" })));
    tell(await thrown(() => start("x", { on, image: "none.qcow2" })));
    tell(await thrown(() => start("x", { on: "none" })));
    tell(await thrown(() => start("x", { on, signal: AbortSignal.abort() })));
    await a.suspend();
    tell(await a.state());
    tell([hostProblem({ on: "none" }), hostProblem({ on })]);
    await cluster.close();
    break;
  }
  case "checkpoint": {
    const vm = await start("saved", { on, egress: "off" });
    const named = await vm.checkpoint("seeded");
    const own = await vm.checkpoint();
    await vm.destroy();
    const fork = await own.fork();
    tell([fork.hostName, await fork.state()]);
    await fork[Symbol.asyncDispose]();
    const opened = await openCheckpoint("seeded", { on });
    tell([named.name, opened.members]);
    tell(await thrown(() => openCheckpoint("seeded")));
    await opened.remove();
    tell(await thrown(() => openCheckpoint("seeded", { on })));
    await own.remove();
    break;
  }
  case "die":
    tell((await start("doomed", { on, egress: "off" })).name);
    setInterval(() => {}, 1_000);
    break;
  case "lost": {
    const vm = await start("lost", { on, egress: "off" });
    tell(vm.name);
    tell(
      await thrown(async () => {
        for (;;) await vm.state();
      }),
    );
    tell(await thrown(() => vm[Symbol.asyncDispose]()));
    tell(await (await start("again", { on, egress: "off" })).state());
    process.exit();
    break;
  }
  case "real": {
    const [file] = words;
    const vm = await start("a", { on, egress: "off", memoryMiB: 128 });
    const { code, stdout, stderr } = await vm.exec("hostname; echo err >&2; exit 7");
    await vm.writeFile("written", "by the library");
    await vm.copyTo(file, "copied");
    const spawned = await vm.spawn("cat written");
    const text = await new Response(spawned.stdout).text();
    tell([vm.name, code, stdout, stderr, await vm.readTextFile("copied"), text]);
    await new Response(Deno.stdin.readable).text();
    process.exit(); // without closing what it has
    break;
  }
}
