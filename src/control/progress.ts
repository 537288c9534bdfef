/** How work under way is shown: the command line draws it, the library shows nothing. */

import type { Detail, MemberReport } from "../wire.ts";

export interface Progress {
  /** A member changed. */
  member(report: MemberReport): void;
  /** A member that was to be brought up runs already. */
  already(name: string): void;
  /** One line for people. */
  note(message: string): void;
  /** A step: a member's, reported by its holder, or one of this process. */
  detail(detail: Detail | string): void;
}

export const SILENT: Progress = { member() {}, already() {}, note() {}, detail() {} };
