/**
 * The quote channel of AIP-2.1 for TypeScript: build, read and verify its three messages.
 *
 * Start at `messages.ts` (what they carry), then `verify.ts` (when they are believed).
 */

export { buildCounterAccept, buildCounterOffer, buildQuote } from "./build.js";
export type { CounterAcceptParams, CounterOfferParams, QuoteParams, TypedDataSigner } from "./build.js";
export { TYPES, digest, domainOf, justificationHash, messageHash } from "./hashing.js";
export type { Json, JsonObject } from "./json.js";
export { COUNTER_ACCEPT_TYPE, COUNTER_OFFER_TYPE, QUOTE_TYPE } from "./messages.js";
export type { CounterAccept, CounterOffer, Message, MessageType, PriceQuote } from "./messages.js";
export { readEnvelope, readMessage } from "./read.js";
export { Refusal } from "./refusal.js";
export type { Reason } from "./refusal.js";
export { AMOUNT_LEAST, AMOUNT_MOST, GRACE_S, JUSTIFICATION_BYTES_MAX, SKEW_S, TTL_CAP_S, TTL_S } from "./rules.js";
export type { Context, Kernels } from "./rules.js";
export { TEXT_BYTES_MAX } from "./text.js";
export { verifyCounterAccept, verifyCounterOffer, verifyMessage, verifyQuote } from "./verify.js";
export type { Refused, Verdict, Verified } from "./verify.js";
