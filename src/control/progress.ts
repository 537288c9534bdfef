/** What is told of work under way: the command line shows it, a library shows nothing. */

import type { Detail, MemberReport } from "../wire.ts";

export interface Progress {
  /** A member changed. */
  member(report: MemberReport): void;
  /** A member that was to be brought up, and runs. */
  already(name: string): void;
  /** One line for people. */
  note(message: string): void;
  /** A step: a member's, as its holder tells it, or one of this process. */
  detail(detail: Detail | string): void;
}

export const SILENT: Progress = { member() {}, already() {}, note() {}, detail() {} };
