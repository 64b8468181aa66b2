/**
 * One JSON document, read strictly: what is accepted has exactly one meaning.
 *
 * Laws: no name twice in an object (escapes decoded), nothing after the document, no number that
 * a double would round to another integer, no lone surrogate; size and depth are bounded before
 * anything is built. `JSON.parse` does none of this, hence a reader of our own.
 */

import { DEPTH_MAX, INT_MAX, put, type Json } from "./json.js";
import { Refusal, shown } from "./refusal.js";

/** What a quote channel takes as one body. */
export const TEXT_BYTES_MAX = 65_536;

const NOWHERE = -1;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^-?[0-9]+$/;
const LITERAL = /true|false|null/y;
const LITERALS: Readonly<Record<string, Json>> = { true: true, false: false, null: null };

/**
 * Read a JSON document from text or from UTF-8 bytes.
 *
 * `integersAt` is a depth (1 is the outermost object) at which a number must be spelled as an
 * integer: `1e3` and `1000.0` are doubles there, and JavaScript alone could not tell.
 */
export function readJson(raw: string | Uint8Array, integersAt = NOWHERE): Json {
  const reader = new Reader(decoded(raw), integersAt);
  const value = reader.value(0);
  reader.end();
  return value;
}

function decoded(raw: string | Uint8Array): string {
  const bytes = typeof raw === "string" ? Buffer.byteLength(raw) : raw.byteLength;
  if (bytes > TEXT_BYTES_MAX) throw new Refusal("too_large", `${bytes} bytes of JSON, the limit is ${TEXT_BYTES_MAX}`);
  if (typeof raw === "string") return raw;
  try {
    // With ignoreBOM the mark stays in the text, where the reader refuses it.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    throw new Refusal("malformed", "not UTF-8");
  }
}

class Reader {
  readonly #text: string;
  readonly #integersAt: number;
  #at = 0;

  constructor(text: string, integersAt: number) {
    this.#text = text;
    this.#integersAt = integersAt;
  }

  value(depth: number): Json {
    this.#token(SPACE);
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") {
      if (depth >= DEPTH_MAX) throw this.#wrong(`nested deeper than ${DEPTH_MAX}`);
      this.#at += 1;
      return first === "{" ? this.#object(depth + 1) : this.#array(depth + 1);
    }
    if (first === '"') return this.#string();
    const literal = this.#token(LITERAL);
    return literal === undefined ? this.#number(depth) : (LITERALS[literal] ?? null);
  }

  end(): void {
    this.#token(SPACE);
    if (this.#at !== this.#text.length) throw this.#wrong("something after the document");
  }

  #object(depth: number): Json {
    const members: Record<string, Json> = {};
    if (this.#takes("}")) return Object.freeze(members);
    do {
      this.#token(SPACE);
      const name = this.#string();
      if (Object.hasOwn(members, name)) throw this.#wrong(`the name ${shown(name)} twice`);
      if (!this.#takes(":")) throw this.#wrong("no colon after a name");
      put(members, name, this.value(depth));
    } while (this.#takes(","));
    if (!this.#takes("}")) throw this.#wrong("an object that does not end");
    return Object.freeze(members);
  }

  #array(depth: number): Json {
    const items: Json[] = [];
    if (this.#takes("]")) return Object.freeze(items);
    do {
      items.push(this.value(depth));
    } while (this.#takes(","));
    if (!this.#takes("]")) throw this.#wrong("an array that does not end");
    return Object.freeze(items);
  }

  #string(): string {
    const token = this.#token(STRING);
    if (token === undefined) throw this.#wrong("no string");
    const text = JSON.parse(token) as string;
    if (/\p{Surrogate}/u.test(text)) throw this.#wrong("a lone surrogate");
    return text;
  }

  #number(depth: number): number {
    const token = this.#token(NUMBER);
    if (token === undefined) throw this.#wrong("no JSON value");
    const number = Number(token);
    const size = Math.abs(number);
    const isInteger = INTEGER.test(token);
    if (size === Infinity || (size > INT_MAX && (isInteger || size < 1e21))) {
      throw this.#wrong(`a number that no double holds: ${shown(token)}`);
    }
    if (depth === this.#integersAt && !isInteger) throw this.#wrong(`no integer: ${shown(token)}`);
    return number;
  }

  #takes(mark: string): boolean {
    this.#token(SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #token(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #wrong(what: string): Refusal {
    return new Refusal("malformed", `${what}, at character ${this.#at}`);
  }
}
