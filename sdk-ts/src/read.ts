/**
 * Messages out of text: strict JSON, then the shape of one of the three.
 *
 * A reader of our own sees what `JSON.parse` hides: a name given twice, and `1e3` or `1000.0`
 * where only the integer 1000 is lawful.
 */

import { isObject } from "./json.js";
import { shaped, typeOf, type Message } from "./messages.js";
import { Refusal, shown } from "./refusal.js";
import { readJson } from "./text.js";

/** Read one bare message; throws `Refusal`. Its signature and rules are `verifyMessage`'s. */
export function readMessage(text: string | Uint8Array): Message {
  const value = readJson(text, 1);
  return shaped<Message>(value, typeOf(value));
}

/** Read what travels over HTTP, `{"type", "message"}`; throws `Refusal`. */
export function readEnvelope(text: string | Uint8Array): Message {
  const value = readJson(text, 2);
  if (!isObject(value)) throw new Refusal("malformed", `an envelope is an object, not ${shown(value)}`);
  const type = typeOf(value);
  if (Object.keys(value).length !== 2 || !Object.hasOwn(value, "message")) {
    throw new Refusal("malformed", "an envelope has type and message, nothing else");
  }
  const message = value["message"];
  if (!isObject(message)) throw new Refusal("malformed", `message is not an object: ${shown(message)}`);
  if (message["type"] !== type) throw new Refusal("schema_invalid", "the envelope names another type than its message");
  return shaped<Message>(message, type);
}
