/** Appends records to a file on ext4, and syncs each. */

import { guestOk } from "../support/guest.ts";
import type { Writer } from "./writer.ts";

export const fileWriter: Writer = {
  options: [],
  async prepare(box, name) {
    await guestOk(box, name, ": > records; sync");
  },
  write(last) {
    const record = `echo "record $n of the guest" >> records; sync records && echo $n`;
    // Between two syncs there is time for the other's writes.
    return `n=${last}; while :; do n=$((n + 1)); ${record}; sleep 0.05; done`;
  },
  async count(box, name) {
    const lines = (await guestOk(box, name, "cat records")).split("\n");
    const wrong = lines.findIndex((line, index) => line !== `record ${index + 1} of the guest`);
    return wrong < 0 ? lines.length : wrong;
  },
  async forgetLater(box, name, last) {
    await guestOk(box, name, `head -n ${last} records > kept; sync; mv kept records; sync`);
  },
};
