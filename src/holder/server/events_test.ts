import * as assert from "#assert";
import { EventHub } from "./events.ts";

const note = (message: string) => ({ event: "note", message }) as const;

Deno.test("notes from before the first client are for that one; later ones are for those who listen", () => {
  const hub = new EventHub();
  const heard: unknown[] = [];
  hub.tell(note("its template does not work"));
  hub.tell({ event: "gone", name: "a" });
  hub.subscribe((event) => heard.push(event));
  hub.tell(note("second"));
  assert.deepEqual(hub.takeUnheard(), [note("its template does not work"), note("second")]);
  hub.tell(note("third"));
  assert.deepEqual(hub.takeUnheard(), []);
  assert.deepEqual(heard, [note("second"), note("third")]);
});
