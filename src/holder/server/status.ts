/** The reply to `status`: what of a report fits into its 1,000 bytes. */

import type { Status } from "../../wire.ts";

export function statusOf(status: Status): Status {
  const { name, pid, running, ip, state, error, stage, since, download, ssh } = status;
  const { host_name, group, group_id } = status;
  return { name, pid, running, ip, state, error, stage, since, download, ssh, host_name, group, group_id };
}
