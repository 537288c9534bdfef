/** Switches in the environment, read in one way: `1`, `true`, `yes` or any other word is on; `0`, `false`, `no`, `off` or nothing is off. */

const OFF = ["", "0", "false", "no", "off"];

/** Whether a switch is on. */
export function isOn(variable: string): boolean {
  return !OFF.includes((Deno.env.get(variable) ?? "").trim().toLowerCase());
}

/** Forbids fleetbox to open any connection to the network. */
export const OFFLINE_VARIABLE = "FLEETBOX_OFFLINE";

export function isOffline(): boolean {
  return isOn(OFFLINE_VARIABLE);
}
