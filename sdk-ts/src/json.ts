/**
 * JSON values, checked and copied once, and their RFC 8785 bytes.
 *
 * Laws: what is hashed is a frozen copy that nobody else holds, so a value cannot change between
 * its check and its hash; whatever has no exact canonical form is refused, not rounded.
 * `text.ts` reads JSON documents into such values.
 */

import canonicalize from "canonicalize";

import { Refusal, shown } from "./refusal.js";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** The largest integer that every JSON reader keeps exactly. */
export const INT_MAX = Number.MAX_SAFE_INTEGER;

/** From here on canonical JSON writes an exponent, so the text is not an integer any more. */
const EXPONENT_FROM = 1e21;

/** Nested arrays and objects, the outermost included. */
export const DEPTH_MAX = 32;

const encoder = new TextEncoder();

/** A deeply frozen copy of a JSON value; refuses everything that is not exactly JSON. */
export function frozenJson(value: unknown, depthMax: number = DEPTH_MAX): Json {
  switch (typeof value) {
    case "string":
      return wellFormed(value);
    case "number":
      return exact(value);
    case "boolean":
      return value;
    case "object":
      break;
    default:
      throw new Refusal("malformed", `not a JSON value: ${typeof value}`);
  }
  if (value === null) return null;
  if (depthMax <= 0) throw new Refusal("malformed", "nested too deep");
  return Array.isArray(value) ? frozenArray(value, depthMax) : frozenObject(value, depthMax);
}

function frozenArray(items: readonly unknown[], depthMax: number): Json {
  return Object.freeze(Array.from(items, (item) => frozenJson(item, depthMax - 1)));
}

function frozenObject(value: object, depthMax: number): JsonObject {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new Refusal("malformed", "not a JSON value: an object with a class");
  }
  const copy: Record<string, Json> = {};
  for (const name of Reflect.ownKeys(value)) {
    if (typeof name === "symbol") throw new Refusal("malformed", "a name that is a symbol");
    const member = frozenJson((value as Record<string, unknown>)[name], depthMax - 1);
    put(copy, wellFormed(name), member);
  }
  return Object.freeze(copy);
}

/** Add an own member, also under the names that an assignment treats specially. */
export function put(target: Record<string, Json>, name: string, member: Json): void {
  Object.defineProperty(target, name, { value: member, enumerable: true, writable: true, configurable: true });
}

function wellFormed(text: string): string {
  // ES2024's isWellFormed is not in node 20's type library; a lone half fails this pattern.
  if (/\p{Surrogate}/u.test(text)) throw new Refusal("malformed", "a lone surrogate");
  return text;
}

function exact(number: number): number {
  if (!Number.isFinite(number)) throw new Refusal("malformed", `not a JSON number: ${number}`);
  if (Math.abs(number) > INT_MAX && Math.abs(number) < EXPONENT_FROM) {
    throw new Refusal("malformed", `integer beyond 2^53-1: ${number}`);
  }
  return number;
}

/** True for a JSON object, as against an array or an atom. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The RFC 8785 bytes of a value that `frozenJson` or `readJson` made. */
export function canonicalBytes(value: Json): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new Refusal("malformed", `no canonical form: ${shown(value)}`);
  return encoder.encode(text);
}
