/** What a driver needs of the host: a part of the driver contract. */

/** Something that the host must have, or had better have: what is found of it, and what to do when it is not there. */
export interface Requirement {
  what: string;
  /** A sentence about the host. @throws the problem. */
  check(): string | Promise<string>;
  /** The user's next step, when the error has none of its own. */
  hint: string;
  /** Whether machines cannot run without it. */
  fatal: boolean;
}
