/**
 * Is this message one of the channel's, in force, and signed by whom it names?
 *
 * Laws: the checks go in the order of treaty's Python side, so that both name the same fault of
 * a message that has several; verification never throws for what a peer sent, it returns a verdict; the message in the
 * verdict is a frozen copy, the one that was hashed. What only a negotiation can know (is
 * `inReplyTo` our last quote, is the nonce new, is the accepted amount what we offered) is the
 * caller's to check.
 */

import { digestOf, hashOf } from "./hashing.js";
import {
  COUNTER_ACCEPT_TYPE,
  COUNTER_OFFER_TYPE,
  QUOTE_TYPE,
  shaped,
  typeOf,
  type CounterAccept,
  type CounterOffer,
  type Message,
  type PriceQuote,
} from "./messages.js";
import { Refusal, type Reason } from "./refusal.js";
import {
  addressOf,
  checkAmounts,
  checkForm,
  checkLongExpired,
  checkTimes,
  kernelOf,
  senderOf,
  type Context,
} from "./rules.js";
import { signerOf } from "./signature.js";

/** A message that holds, with everything derived from it. */
export interface Verified<M extends Message> {
  readonly ok: true;
  readonly message: M;
  readonly signer: string;
  readonly digest: string;
  readonly messageHash: string;
}

export interface Refused {
  readonly ok: false;
  readonly reason: Reason;
  readonly detail: string;
}

export type Verdict<M extends Message> = Verified<M> | Refused;

/** Verify a provider's quote. */
export function verifyQuote(message: unknown, context: Context): Verdict<PriceQuote> {
  return verdict(() => checked<PriceQuote>(message, QUOTE_TYPE, context));
}

/** Verify a consumer's counter-offer. */
export function verifyCounterOffer(message: unknown, context: Context): Verdict<CounterOffer> {
  return verdict(() => checked<CounterOffer>(message, COUNTER_OFFER_TYPE, context));
}

/** Verify a provider's acceptance of a counter-offer. */
export function verifyCounterAccept(message: unknown, context: Context): Verdict<CounterAccept> {
  return verdict(() => checked<CounterAccept>(message, COUNTER_ACCEPT_TYPE, context));
}

/** Verify whichever of the three it is. */
export function verifyMessage(message: unknown, context: Context): Verdict<Message> {
  return verdict(() => checked<Message>(message, typeOf(message), context));
}

function verdict<M extends Message>(check: () => Verified<M>): Verdict<M> {
  try {
    return check();
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.reason, detail: error.message };
    throw error;
  }
}

function checked<M extends Message>(value: unknown, type: M["type"], context: Context): Verified<M> {
  const message = shaped<M>(value, type);
  const kernel = kernelOf(message, context.kernels);
  checkLongExpired(message, context.now);
  checkForm(message);
  const digest = digestOf(message, kernel);
  const signer = signerOf(digest, message.signature);
  if (signer.toLowerCase() !== addressOf(senderOf(message))) {
    throw new Refusal("signature_invalid", `signed by ${signer}, not by the sender it names`);
  }
  checkAmounts(message);
  checkTimes(message, context);
  return { ok: true, message, signer, digest, messageHash: hashOf(message) };
}
