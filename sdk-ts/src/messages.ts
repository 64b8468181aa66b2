/**
 * The three messages: their members and the type of each member.
 *
 * Laws: nothing is coerced, a number is no text and `true` no integer; a member nobody knows is
 * refused, because a signature would not cover it. What the texts must look like and which
 * amounts and times are lawful is asked by `rules.ts`.
 */

import { frozenJson, isObject, type Json, type JsonObject } from "./json.js";
import { Refusal, shown } from "./refusal.js";

export const QUOTE_TYPE = "agirails.quote.v1";
export const COUNTER_OFFER_TYPE = "agirails.counteroffer.v1";
export const COUNTER_ACCEPT_TYPE = "agirails.counteraccept.v1";

export const VERSION = "1.0.0";
export const CURRENCY = "USDC";
export const DECIMALS = 6;
/** UTF-16 units of any one text outside the justification. */
export const TEXT_CHARS_MAX = 4_096;

interface Common {
  readonly version: string;
  readonly txId: string;
  readonly provider: string;
  readonly consumer: string;
  readonly chainId: number;
  readonly nonce: number;
  readonly signature: string;
}

/** The provider names a price. Times are in seconds, amounts in base units. */
export interface PriceQuote extends Common {
  readonly type: typeof QUOTE_TYPE;
  readonly quotedAmount: string;
  readonly originalAmount: string;
  readonly maxPrice: string;
  readonly currency: string;
  readonly decimals: number;
  readonly quotedAt: number;
  readonly expiresAt: number;
  readonly justification?: JsonObject;
}

/** The consumer offers less, in reply to a quote. */
export interface CounterOffer extends Common {
  readonly type: typeof COUNTER_OFFER_TYPE;
  readonly quoteAmount: string;
  readonly counterAmount: string;
  readonly maxPrice: string;
  readonly currency: string;
  readonly decimals: number;
  readonly inReplyTo: string;
  readonly counteredAt: number;
  readonly expiresAt: number;
  readonly justification?: JsonObject;
}

/** The provider takes the consumer's offer. */
export interface CounterAccept extends Common {
  readonly type: typeof COUNTER_ACCEPT_TYPE;
  readonly acceptedAmount: string;
  readonly inReplyTo: string;
  readonly acceptedAt: number;
}

export type Message = PriceQuote | CounterOffer | CounterAccept;
export type MessageType = Message["type"];

type Kind = "text" | "integer" | "object";

const COMMON = { type: "text", version: "text", txId: "text", provider: "text", consumer: "text" } as const;
const PRICED = { maxPrice: "text", currency: "text", decimals: "integer", expiresAt: "integer" } as const;
const LAST = { chainId: "integer", nonce: "integer", signature: "text" } as const;
const JUSTIFIED = { justification: "object" } as const;

const MEMBERS: Readonly<Record<MessageType, Readonly<Record<string, Kind>>>> = {
  [QUOTE_TYPE]: {
    ...COMMON,
    quotedAmount: "text",
    originalAmount: "text",
    ...PRICED,
    quotedAt: "integer",
    ...LAST,
    ...JUSTIFIED,
  },
  [COUNTER_OFFER_TYPE]: {
    ...COMMON,
    quoteAmount: "text",
    counterAmount: "text",
    ...PRICED,
    inReplyTo: "text",
    counteredAt: "integer",
    ...LAST,
    ...JUSTIFIED,
  },
  [COUNTER_ACCEPT_TYPE]: { ...COMMON, acceptedAmount: "text", inReplyTo: "text", acceptedAt: "integer", ...LAST },
};

/**
 * A frozen copy of a message of one type: every member there and of its type, no other member.
 * Without `signed` the signature may be missing, as it is while a message is being built.
 */
export function shaped<M extends Message>(value: unknown, type: M["type"], signed = true): M {
  const message = frozenJson(value);
  if (!isObject(message)) throw new Refusal("malformed", `a message is an object, not ${shown(message)}`);
  if (typeOf(message) !== type) {
    throw new Refusal("message_type_unsupported", `not ${type}: ${shown(message["type"])}`);
  }
  const members = MEMBERS[type];
  for (const name of Object.keys(message)) {
    if (!Object.hasOwn(members, name)) throw new Refusal("malformed", `no such member: ${shown(name)}`);
  }
  for (const [name, kind] of Object.entries(members)) {
    if (Object.hasOwn(message, name)) checkKind(message[name], kind, name);
    else if (!(name in JUSTIFIED) && (signed || name !== "signature")) {
      throw new Refusal("malformed", `${name} is missing`);
    }
  }
  return message as unknown as M;
}

function checkKind(value: Json | undefined, kind: Kind, name: string): void {
  if (kind === "text" && typeof value === "string") {
    if (value.length > TEXT_CHARS_MAX) throw new Refusal("malformed", `${name} is longer than ${TEXT_CHARS_MAX}`);
  } else if (kind === "integer" && typeof value === "number") {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new Refusal("malformed", `${name} is not an integer from 0 to 2^53-1: ${shown(value)}`);
    }
  } else if (kind !== "object" || !isObject(value)) {
    throw new Refusal("malformed", `${name} is not of type ${kind}: ${shown(value)}`);
  }
}

/** Which of the three a value says it is. */
export function typeOf(value: unknown): MessageType {
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  if (typeof type === "string" && Object.hasOwn(MEMBERS, type)) return type as MessageType;
  if (typeof type !== "string") throw new Refusal("malformed", `type is not a text: ${shown(type)}`);
  throw new Refusal("message_type_unsupported", `not of the quote channel: ${shown(type)}`);
}
