/** Vectors of both sides: what Python made and what this side made, read and verified here. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { files, type Vector } from "../make-vectors.js";
import { digest, messageHash, readMessage, verifyCounterAccept, verifyCounterOffer, verifyQuote, Refusal } from "../src/index.js";
import type { Message, Verdict } from "../src/index.js";

const NOW = 1_700_000_000;
const OURS = "ts";
const folder = fileURLToPath(new URL("../../../conformance/vectors/actp/", import.meta.url));

const VERIFY = {
  quote: verifyQuote,
  counter_offer: verifyCounterOffer,
  counter_accept: verifyCounterAccept,
} as const;

function vectorsIn(path: string): readonly Vector[] {
  const content: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (Array.isArray(content)) return content as Vector[];
  const { vectors } = content as { vectors?: Vector[] };
  return vectors ?? [content as Vector];
}

function verdictOn(vector: Vector): Verdict<Message> {
  let message: unknown = vector.message;
  if (vector.text !== undefined) {
    try {
      message = readMessage(vector.text);
    } catch (error) {
      if (error instanceof Refusal) return { ok: false, reason: error.reason, detail: error.message };
      throw error;
    }
  }
  const kernels = new Map([[vector.domain.chainId, vector.domain.verifyingContract]]);
  return VERIFY[vector.kind](message, { now: vector.now ?? NOW, kernels });
}

function check(vector: Vector): void {
  const verdict = verdictOn(vector);
  if (vector.expect !== "ok") {
    assert.equal(verdict.ok ? "ok" : verdict.reason, vector.expect);
    return;
  }
  assert.ok(verdict.ok, verdict.ok ? "" : `${verdict.reason}: ${verdict.detail}`);
  assert.equal(verdict.digest, vector.digest);
  assert.equal(verdict.messageHash, vector.messageHash);
  assert.equal(verdict.signer.toLowerCase(), vector.signer?.toLowerCase());
  assert.equal(digest(verdict.message, vector.domain.verifyingContract), vector.digest);
  assert.equal(messageHash(verdict.message), vector.messageHash);
}

function jsonFiles(under: string): string[] {
  if (!existsSync(under)) return [];
  return readdirSync(under).filter((name) => name.endsWith(".json")).sort().map((name) => join(under, name));
}

for (const path of [...jsonFiles(folder), ...jsonFiles(join(folder, OURS))]) {
  const shown = path.slice(folder.length);
  const vectors = vectorsIn(path);
  test(`${shown} holds vectors`, () => assert.ok(vectors.length > 0));
  for (const vector of vectors) test(`${shown}: ${vector.name} is ${vector.expect}`, () => check(vector));
}

test("there are vectors of both sides", () => {
  assert.ok(jsonFiles(folder).length > 0, "none that Python made");
  assert.ok(jsonFiles(join(folder, OURS)).length > 0, "none made here");
});

test("the committed vectors of this side are what make-vectors writes, byte for byte", async () => {
  const made = await files();
  assert.deepEqual(jsonFiles(join(folder, OURS)), [...made.keys()].sort().map((name) => join(folder, OURS, name)));
  for (const [name, text] of made) {
    assert.equal(readFileSync(join(folder, OURS, name), "utf8"), text, name);
  }
});

test("every vector has a name of its own, and what is refused is refused for one stated reason", async () => {
  const all = [...(await files()).values()].flatMap((text) => JSON.parse(text) as Vector[]);
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  assert.ok(all.filter(({ expect }) => expect !== "ok").length > all.length / 2);
});
