/**
 * The client half of the protocol: spawn a holder, ask members, watch them, stop them, add one.
 *
 * The command line and the library are built on it. It knows sockets and the store, never a hypervisor, a network or an
 * image (those live in the holder, behind the protocol). {@link watch} streams every change, so nothing here polls.
 */

export * from "./control/bytes/console.ts";
export { forward } from "./control/forwards.ts";
export * from "./control/members.ts";
export * from "./control/spawn.ts";
export * from "./control/wait.ts";
