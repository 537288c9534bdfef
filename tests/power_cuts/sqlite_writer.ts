/**
 * SQLite of Debian's package: a transaction for each record.
 *
 * With a rollback journal it needs `synchronous = EXTRA`: with `FULL` the last transaction may be rolled back, because the directory is
 * not synced when the journal is removed, as its documentation says ("PRAGMA synchronous"). With a write-ahead log `FULL` is enough.
 */

import { PROGRAMS } from "../support/debian_programs.ts";
import { guestOk } from "../support/guest.ts";
import type { Writer } from "./writer.ts";

/** SQLite, and what it needs beyond what `micro` has. */
export const SQLITE_PACKAGES = ["sqlite3", "libsqlite3-0", "libreadline8", "libtinfo6", "zlib1g", "libc6"];
export const SQLITE_PROGRAM = "usr/bin/sqlite3";

const SQLITE = `LD_LIBRARY_PATH=${PROGRAMS}/lib ${PROGRAMS}/bin/sqlite3 -bail rows.db`;

export const JOURNALS = {
  rollback: "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;",
  wal: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
};

/** @param programs the host's directory with it */
export function sqliteWriter(programs: string, journal: keyof typeof JOURNALS): Writer {
  const ask = (sql: string) => `${SQLITE} '${JOURNALS[journal]} ${sql}' | tail -n 1`;
  return {
    options: ["--fixture", `${programs}:${PROGRAMS}`],
    async prepare(box, name) {
      await guestOk(box, name, ask("CREATE TABLE rows (number INTEGER PRIMARY KEY, filler BLOB);") + "; sync");
    },
    write(last) {
      const row = `echo "INSERT INTO rows VALUES ($n, randomblob(1000));"; echo ".system echo $n"`;
      const statements = `echo ".output /dev/null"; echo "${
        JOURNALS[journal]
      }"; n=${last}; while :; do n=$((n + 1)); ${row}; sleep 0.05; done`;
      // It prints no answers, such as the journal's mode: only the numbers, by a shell.
      return `(${statements}) | ${SQLITE}`;
    },
    async count(box, name) {
      const verdict = (await guestOk(box, name, ask("PRAGMA integrity_check;"))).trim();
      if (verdict !== "ok") throw new Error(`the database is damaged: ${verdict}`);
      const rows = await guestOk(box, name, ask("SELECT COUNT(*), COALESCE(MAX(number), 0) FROM rows;"));
      const [count, last] = rows.split("|").map(Number);
      if (count !== last) throw new Error(`rows are missing: there are ${count}, and the last one is ${last}`);
      return count;
    },
    async forgetLater(box, name, last) {
      await guestOk(box, name, ask(`DELETE FROM rows WHERE number > ${last};`));
    },
  };
}
