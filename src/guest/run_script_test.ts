import * as assert from "#assert";
import { interpreterOf, wrapper } from "./run_script.ts";

Deno.test("a script's interpreter is that of its first line, with at most one argument, as the kernel reads it", () => {
  assert.deepEqual(interpreterOf("echo x"), ["/bin/sh"]);
  assert.deepEqual(interpreterOf("\n#!/bin/bash"), ["/bin/sh"]);
  assert.deepEqual(interpreterOf("#!/bin/bash"), ["/bin/bash"]);
  assert.deepEqual(interpreterOf("#! /usr/bin/env python3\nprint()"), ["/usr/bin/env", "python3"]);
  assert.deepEqual(interpreterOf("#!/usr/bin/awk -f -v x \n"), ["/usr/bin/awk", "-f -v x"]);
});

Deno.test("a script's name is no word of the guest's shell", () => {
  for (const name of ["$(reboot)", "../../x;y", "-e", "ü'\""]) {
    const [, file] = /\$d\/([^"]*)"/.exec(wrapper({ mark: "m", name, bytes: 1, interpreter: ["/bin/sh"] })) ?? [];
    assert.match(file!, /^\w[\w.-]*$/, name);
  }
});
