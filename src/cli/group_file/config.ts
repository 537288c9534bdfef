/** What `fleetbox config` needs, in one module, which is loaded when it is. */

export { readGroup } from "./group.ts";
export { groupFileSchema } from "./keys.ts";
export { groupJson, groupToml } from "./write.ts";
