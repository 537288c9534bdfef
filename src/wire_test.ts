import * as assert from "#assert";
import fc from "fast-check";
import { byteLength } from "./core/bytes.ts";
import { FleetboxError } from "./core/errors.ts";
import {
  addReply,
  decodeRequest,
  encodeStatus,
  MAX_ADD_REPLY_BYTES,
  MAX_REQUEST_BYTES,
  MAX_STATUS_BYTES,
  refusalOf,
  type RefusedRequest,
  RequestReader,
  throwIfError,
} from "./wire.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("wire: the three requests of version 1, and everything else", () => {
  assert.deepEqual(decodeRequest("status"), { kind: "status" });
  assert.deepEqual(decodeRequest("stop\r"), { kind: "stop" });
  assert.deepEqual(decodeRequest("addmember d"), { kind: "addmember", name: "d" });
  assert.deepEqual(decodeRequest("addmember"), { kind: "addmember", name: "" });
  assert.deepEqual(decodeRequest("statusx"), { kind: "unknown", text: "statusx" });
  assert.deepEqual(decodeRequest('{"op":"report"}'), { kind: "json", request: { op: "report" } });
  assert.equal(decodeRequest('{"op":"nosuch"}').kind, "bad-json");
  assert.equal(decodeRequest('{"op":"add"}').kind, "bad-json");
  assert.equal(decodeRequest('{"op":"add","name":7}').kind, "bad-json");
  assert.equal(decodeRequest("{").kind, "bad-json");
});

Deno.test("wire: refusals, byte for byte", () => {
  const refusal = (text: string) => refusalOf(decodeRequest(text) as RefusedRequest);
  assert.equal(refusal("reboot"), 'err: unknown command "reboot"');
  assert.equal(refusal("bind"), 'err: unknown command "bind"');
  assert.equal(refusal("x".repeat(90)), `err: unknown command "${"x".repeat(79)}…"`);
  assert.match(refusal("{"), /^\{"code":"protocol","message":"the request is not JSON: [^\n]*","causes":\[\]\}\n$/);
  assert.match(
    refusal('{"op":"frobnicate"}'),
    /^\{"code":"protocol","message":"unknown op \\"frobnicate\\"; expected one of [^"\n]*","causes":\[\],"unknown_op":"frobnicate"\}\n$/,
  );
  assert.match(refusal('{"op":"add"}'), /^\{"code":"protocol","message":"[^\n]*","causes":\[\]\}\n$/);
});

Deno.test("wire: decoding never throws, whatever arrives", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.json().map((json) => `{"op":${json}}`)), (text) => {
      decodeRequest(text);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("wire: a request is the same however it is split", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), fc.array(fc.nat(60), { maxLength: 5 }), (text, cuts) => {
      const line = text.replaceAll("\n", " ");
      const all = bytes(line + "\nrest");
      const reader = new RequestReader();
      let at = 0, verdict = "more";
      for (const cut of [...cuts.sort((a, b) => a - b), all.length]) {
        const end = Math.min(Math.max(cut, at), all.length);
        if (end === at) continue;
        verdict = reader.push(all.subarray(at, end));
        at = end;
        if (verdict === "done") break;
      }
      assert.equal(verdict, "done");
      // A whole word ends a request at once; what follows is not part of it.
      const whole = ["status", "stop", "bind"].find((word) => line.startsWith(word));
      if (!whole) assert.equal(reader.text(), new TextDecoder().decode(bytes(line)));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("wire: a whole word needs no silence, half a word does", () => {
  assert.equal(new RequestReader().push(bytes("status")), "done");
  assert.equal(new RequestReader().push(bytes("stat")), "quiet");
  assert.equal(new RequestReader().push(bytes("addmember d")), "quiet");
});

Deno.test("wire: a request may have 64 KiB and not a byte more", () => {
  const most = new Uint8Array(MAX_REQUEST_BYTES).fill(97);
  const reader = new RequestReader();
  assert.equal(reader.push(most), "quiet");
  assert.equal(reader.push(bytes("\n")), "done");
  const longer = new RequestReader();
  longer.push(most);
  assert.equal(longer.push(bytes("a")), "too-long");
  assert.equal(new RequestReader().push(bytes("x".repeat(MAX_REQUEST_BYTES + 1) + "\n")), "too-long");
});

Deno.test("wire: replies keep their limits with any text in them", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 4000 }), (text) => {
    const status = encodeStatus({ name: "a", pid: 1, running: false, ip: "", state: "error", error: text.repeat(3) });
    assert.ok(byteLength(status) <= MAX_STATUS_BYTES);
    assert.equal(JSON.parse(status).state, "error");
    const reply = addReply(new FleetboxError("failed", text, { cause: new Error(text) }));
    assert.ok(byteLength(reply) <= MAX_ADD_REPLY_BYTES && reply.startsWith("err: ") && !reply.includes("\n"));
  }));
  assert.equal(addReply(), "ok");
});

Deno.test("a holder that does not know a request is reported as an older one, with what can be done with it", () => {
  const request = decodeRequest('{"op":"frobnicate"}');
  assert.ok(request.kind === "bad-json");
  const reply = JSON.parse(refusalOf(request));
  assert.throws(() => throwIfError(reply), {
    code: "protocol",
    message: "The holder does not know frobnicate: it is from an older fleetbox",
    hint: /can be listed, stopped and joined/,
  });
});
