/** JSON is read in one way only. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { canonicalBytes } from "../src/json.js";
import { Refusal } from "../src/refusal.js";
import { TEXT_BYTES_MAX, readJson } from "../src/text.js";

function refused(text: string | Uint8Array, reason = "malformed"): void {
  assert.throws(
    () => readJson(text),
    (error) => error instanceof Refusal && error.reason === reason,
    typeof text === "string" ? text.slice(0, 60) : "bytes",
  );
}

test("what JSON.parse reads of lawful documents, the reader reads to the same value", () => {
  const documents = [
    "null", "true", "-0", "0", "1.5e-8", "1E+2", '""', "[]", "{}", ' { "a" : [ 1 , 2 , { } ] } ',
    '{"":{"\\u0061":"\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t"}}', '"\u2028\u007f"', "9007199254740991", "1e21", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
  ];
  for (const text of documents) assert.deepEqual(readJson(text), JSON.parse(text), text);
});

test("what is not JSON is refused", () => {
  const documents = [
    "", " ", "{", "}", "[1", "[1,]", '{"a":1,}', '{"a"}', "{a:1}", "{'a':1}", "01", "+1", "1.", ".5", "1e", "--1", "0x1",
    "NaN", "Infinity", "nul", "truefalse", "1 2", '"a', '"\\x"', '"\\u12"', '"\n"', "\ufeff{}", "\u00a0{}", "undefined", "//x\n1",
  ];
  documents.forEach((text) => refused(text));
});

test("a name stands once in an object, however it is spelled and whatever it is called", () => {
  for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"b":1,"b":1}]}', '{"__proto__":1,"__proto__":2}']) refused(text);
  assert.deepEqual(Object.keys(readJson('{"__proto__":1,"a":{"a":1}}') as object), ["__proto__", "a"]);
});

test("a name of the prototype is a name like others, and changes nothing else", () => {
  const read = readJson('{"__proto__":{"polluted":1},"toString":2}');
  assert.equal((read as Record<string, unknown>)["polluted"], undefined);
  assert.equal(new TextDecoder().decode(canonicalBytes(read)), '{"__proto__":{"polluted":1},"toString":2}');
});

test("numbers that a double would round to another integer are refused", () => {
  for (const text of ["9007199254740992", "-9007199254740993", "123456789012345678901234567890", "1e20", "9007199254740993.0", "1e309"]) refused(text);
});

test("where integers are wanted, a number is spelled as one", () => {
  for (const text of ['{"n":1.0}', '{"n":1e3}', '{"n":0.5}']) {
    assert.throws(() => readJson(text, 1), Refusal);
    assert.doesNotThrow(() => readJson(`{"o":${text}}`, 1));
  }
});

test("bytes are UTF-8 without a mark, and a text has no half of a pair", () => {
  refused(Uint8Array.of(0x22, 0xff, 0x22));
  refused(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22));
  refused(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31));
  refused('"\\ud800"');
  refused('"\ud800"');
  refused('{"\\udfff":1}');
  assert.equal(readJson(new TextEncoder().encode('"é😀"')), "é😀");
});

test("size and nesting are bounded", () => {
  refused(`"${"x".repeat(TEXT_BYTES_MAX)}"`, "too_large");
  refused("[".repeat(TEXT_BYTES_MAX));
  refused("[".repeat(33) + "]".repeat(33));
  assert.equal((readJson(`"${"x".repeat(TEXT_BYTES_MAX - 2)}"`) as string).length, TEXT_BYTES_MAX - 2);
  assert.equal((readJson(`"${"\\n".repeat(TEXT_BYTES_MAX / 2 - 2)}"`) as string).length, TEXT_BYTES_MAX / 2 - 2);
});

test("the canonical form is RFC 8785's, on the vectors that the Python side uses", (context) => {
  const folder = new URL("../../../conformance/vectors/jcs/", import.meta.url);
  if (!existsSync(folder)) return context.skip("no conformance/vectors/jcs beside sdk-ts");
  for (const name of readdirSync(new URL("input/", folder))) {
    const read = readJson(readFileSync(new URL(`input/${name}`, folder)));
    const wanted = readFileSync(new URL(`output/${name}`, folder));
    assert.ok(wanted.equals(canonicalBytes(read)), name);
  }
});
