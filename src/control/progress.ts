/** How work under way is shown: the command line draws it, the library shows nothing. */

import type { Detail, MemberReport, OutputEvent } from "../wire.ts";

export interface Progress {
  /** A member changed. */
  member(report: MemberReport): void;
  /** A member that was to be brought up runs already. */
  already(name: string): void;
  /** One line for people. */
  note(message: string): void;
  /** A step: a member's, reported by its holder, or one of this process. */
  detail(detail: Detail | string): void;
  /** A line that a script has said in a member's guest. */
  output(line: OutputEvent): void;
}

export const SILENT: Progress = { member() {}, already() {}, note() {}, detail() {}, output() {} };
