/**
 * What a message must say besides having the right members: a known chain, texts in the one
 * spelling that is signed, two parties, amounts a kernel would lock, a life that has begun, has
 * not ended and is not too long.
 *
 * Laws: pure, the time is an argument; used before signing and when verifying alike, so we never
 * send what we would refuse; the order within a function is that of treaty's Python side.
 */

import { canonicalBytes, type JsonObject } from "./json.js";
import {
  COUNTER_ACCEPT_TYPE,
  COUNTER_OFFER_TYPE,
  CURRENCY,
  DECIMALS,
  QUOTE_TYPE,
  type CounterOffer,
  type Message,
  type PriceQuote,
} from "./messages.js";
import { Refusal, shown } from "./refusal.js";

/** Base units: the platform takes no smaller amount, a kernel locks no larger one. */
export const AMOUNT_LEAST = 50_000n;
export const AMOUNT_MOST = 10n ** 15n;
/** Canonical bytes, so that white space does not matter. */
export const JUSTIFICATION_BYTES_MAX = 2_048;
/** Seconds by which a peer's clock may run ahead. */
export const SKEW_S = 300;
/** Seconds after which an expired message is not even looked at. */
export const GRACE_S = 30;
/** How long a message lives unless it says so, and the longest life of a counter-offer by default. */
export const TTL_S = 3_600;
/** The longest life of a quote or a counter-offer, whoever configures what. */
export const TTL_CAP_S = 86_400;

const VERSION_CHARS_MAX = 11;
const UINT256_MAX = 2n ** 256n - 1n;
const HASH = /^0x[0-9a-f]{64}$/;
const AMOUNT = /^(?:0|[1-9][0-9]{0,77})$/;
const VERSION = /^[0-9]+\.[0-9]+\.[0-9]+$/;
const DID = /^did:ethr:(0|[1-9][0-9]{0,77}):0x([0-9a-fA-F]{40})$/;

/** ACTPKernel addresses by chain id: a chain that is not listed is not accepted. */
export type Kernels = ReadonlyMap<number, string>;

export interface Clock {
  /** Unix time in seconds. */
  readonly now: number;
  /** Longest life of a counter-offer, in seconds; `TTL_S` unless given, at most `TTL_CAP_S`. */
  readonly counterTtlMax?: number;
}

export interface Context extends Clock {
  readonly kernels: Kernels;
}

/** The kernel on whose domain a message must be signed. */
export function kernelOf(message: Message, kernels: Kernels): string {
  const kernel = kernels.get(message.chainId);
  if (kernel === undefined) throw new Refusal("chain_unsupported", `no kernel for chain ${message.chainId}`);
  return kernel;
}

/** The DID of the party whose signature a message carries. */
export function senderOf(message: Message): string {
  return message.type === COUNTER_OFFER_TYPE ? message.consumer : message.provider;
}

/** The lower-case address in a DID whose form has been checked. */
export function addressOf(did: string): string {
  return did.slice(did.lastIndexOf(":") + 1).toLowerCase();
}

/** Asked first, because it costs nothing: is it over for longer than the grace? */
export function checkLongExpired(message: Message, now: number): void {
  if (message.type !== COUNTER_ACCEPT_TYPE && message.expiresAt + GRACE_S < now) {
    throw new Refusal("message_expired", `expired ${now - message.expiresAt} s ago`);
  }
}

/** Version, hashes, currency, amounts, parties and justification have the form that is signed. */
export function checkForm(message: Message): void {
  if (message.version.length > VERSION_CHARS_MAX || !VERSION.test(message.version)) {
    throw wrong("version", "three numbers", message.version);
  }
  checkHash("txId", message.txId);
  if (message.type !== QUOTE_TYPE) checkHash("inReplyTo", message.inReplyTo);
  if (message.type !== COUNTER_ACCEPT_TYPE) checkCurrency(message);
  for (const [name, text] of amountsOf(message)) checkAmount(name, text);
  checkParties(message);
  if (message.type !== COUNTER_ACCEPT_TYPE) checkJustification(message.justification);
}

/** The amounts are in their band. */
export function checkAmounts(message: Message): void {
  if (message.type === COUNTER_ACCEPT_TYPE) checkBand("acceptedAmount", message.acceptedAmount);
  else if (message.type === COUNTER_OFFER_TYPE) checkCounterAmounts(message);
  else checkQuoteAmounts(message);
}

/** It lives now, not too long, and was not made in the future. */
export function checkTimes(message: Message, { now, counterTtlMax = TTL_S }: Clock): void {
  const made = madeAt(message);
  if (message.type !== COUNTER_ACCEPT_TYPE) {
    const { expiresAt } = message;
    const most = message.type === COUNTER_OFFER_TYPE ? Math.min(counterTtlMax, TTL_CAP_S) : TTL_CAP_S;
    if (expiresAt < now) throw new Refusal("offer_expired", `expired ${now - expiresAt} s ago`);
    if (expiresAt <= made) throw new Refusal("expiry_before_creation", "expires before it was made");
    if (expiresAt - made > most) throw new Refusal("ttl_exceeded", `lives ${expiresAt - made} s, at most ${most}`);
  }
  if (made > now + SKEW_S) throw new Refusal("created_in_future", `made ${made - now} s in the future`);
}

function wrong(name: string, wanted: string, value: unknown): Refusal {
  return new Refusal("schema_invalid", `${name} must be ${wanted}, not ${shown(value)}`);
}

function checkHash(name: string, text: string): void {
  if (!HASH.test(text)) throw wrong(name, "0x and 64 lower-case hex digits", text);
}

function checkCurrency({ currency, decimals }: PriceQuote | CounterOffer): void {
  if (currency !== CURRENCY) throw new Refusal("currency_unsupported", `not ${CURRENCY}: ${shown(currency)}`);
  if (decimals !== DECIMALS) throw wrong("decimals", String(DECIMALS), decimals);
}

function amountsOf(message: Message): readonly (readonly [string, string])[] {
  if (message.type === COUNTER_ACCEPT_TYPE) return [["acceptedAmount", message.acceptedAmount]];
  const own: readonly (readonly [string, string])[] =
    message.type === COUNTER_OFFER_TYPE
      ? [["quoteAmount", message.quoteAmount], ["counterAmount", message.counterAmount]]
      : [["quotedAmount", message.quotedAmount], ["originalAmount", message.originalAmount]];
  return [...own, ["maxPrice", message.maxPrice]];
}

function checkAmount(name: string, text: string): void {
  if (!AMOUNT.test(text) || BigInt(text) > UINT256_MAX) throw wrong(name, "a canonical decimal of base units", text);
}

function checkParties(message: Message): void {
  const sender = senderOf(message);
  const account = accountOf(sender, message.chainId);
  const other = sender === message.provider ? message.consumer : message.provider;
  if (accountOf(other, message.chainId) === account) {
    throw new Refusal("same_party", "consumer and provider are the same account");
  }
}

function accountOf(did: string, chainId: number): string {
  const [, chain, digits] = DID.exec(did) ?? [];
  if (digits === undefined) throw new Refusal("did_invalid", `not did:ethr:<chain id>:0x<40 hex>: ${shown(did)}`);
  if (chain !== String(chainId)) throw new Refusal("did_chain_mismatch", `not on chain ${chainId}: ${shown(did)}`);
  if (/^0+$/.test(digits)) throw new Refusal("did_invalid", "the zero account is nobody's");
  return digits.toLowerCase();
}

function checkJustification(justification: JsonObject | undefined): void {
  if (justification === undefined) return;
  const size = canonicalBytes(justification).byteLength;
  if (size > JUSTIFICATION_BYTES_MAX) {
    throw new Refusal("justification_too_large", `justification has ${size} bytes, at most ${JUSTIFICATION_BYTES_MAX}`);
  }
}

function checkQuoteAmounts({ quotedAmount, originalAmount, maxPrice }: PriceQuote): void {
  if (BigInt(quotedAmount) < BigInt(originalAmount)) {
    throw new Refusal("quote_below_original", `quotedAmount ${quotedAmount} is below originalAmount ${originalAmount}`);
  }
  checkMaxPrice("quotedAmount", quotedAmount, maxPrice);
  checkBand("quotedAmount", quotedAmount);
}

function checkCounterAmounts({ quoteAmount, counterAmount, maxPrice }: CounterOffer): void {
  checkBand("counterAmount", counterAmount);
  if (BigInt(counterAmount) >= BigInt(quoteAmount)) {
    throw new Refusal("counter_not_below_quote", `counterAmount ${counterAmount} is not below quoteAmount ${quoteAmount}`);
  }
  checkMaxPrice("counterAmount", counterAmount, maxPrice);
}

function checkMaxPrice(name: string, amount: string, most: string): void {
  if (BigInt(amount) > BigInt(most)) throw new Refusal("above_max_price", `${name} ${amount} exceeds maxPrice ${most}`);
}

function checkBand(name: string, text: string): void {
  const amount = BigInt(text);
  if (amount < AMOUNT_LEAST) throw new Refusal("amount_below_minimum", `${name} ${text} is below ${AMOUNT_LEAST}`);
  if (amount > AMOUNT_MOST) throw new Refusal("amount_above_maximum", `${name} ${text} is above ${AMOUNT_MOST}`);
}

function madeAt(message: Message): number {
  if (message.type === COUNTER_ACCEPT_TYPE) return message.acceptedAt;
  return message.type === COUNTER_OFFER_TYPE ? message.counteredAt : message.quotedAt;
}
