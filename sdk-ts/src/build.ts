/**
 * Make and sign the three messages.
 *
 * Laws: what these functions return, `verify.ts` accepts at the time it was made; nothing is
 * signed that breaks a rule, and a signer that answers with somebody else's signature is caught.
 * Nonces are the caller's: keep them durable, one counter for each message type.
 */

import { domainOf, digestOf, signedPart, TYPES } from "./hashing.js";
import type { JsonObject } from "./json.js";
import {
  COUNTER_ACCEPT_TYPE,
  COUNTER_OFFER_TYPE,
  CURRENCY,
  DECIMALS,
  QUOTE_TYPE,
  VERSION,
  shaped,
  type CounterAccept,
  type CounterOffer,
  type Message,
  type PriceQuote,
} from "./messages.js";
import { Refusal } from "./refusal.js";
import { TTL_CAP_S, TTL_S, addressOf, checkAmounts, checkForm, checkTimes, senderOf } from "./rules.js";
import { normalSignature, signerOf } from "./signature.js";
import type { TypedDataDomain, TypedDataField } from "ethers";

/** What signs: an `ethers` signer is one. */
export interface TypedDataSigner {
  getAddress(): Promise<string>;
  signTypedData(domain: TypedDataDomain, types: Record<string, TypedDataField[]>, value: Record<string, unknown>): Promise<string>;
}

interface CommonParams {
  /** The ACTPKernel of the chain. */
  readonly kernel: string;
  readonly chainId: number;
  readonly txId: string;
  readonly nonce: number;
}

export interface QuoteParams extends CommonParams {
  /** The other party's DID; the signer's own is made from its address. */
  readonly consumer: string;
  readonly quotedAmount: bigint;
  readonly originalAmount: bigint;
  readonly maxPrice: bigint;
  /** Unix seconds. */
  readonly quotedAt: number;
  /** Unix seconds; an hour after `quotedAt` unless given. */
  readonly expiresAt?: number;
  readonly justification?: JsonObject;
}

export interface CounterOfferParams extends CommonParams {
  /** The other party's DID; the signer's own is made from its address. */
  readonly provider: string;
  readonly quoteAmount: bigint;
  readonly counterAmount: bigint;
  readonly maxPrice: bigint;
  /** Message hash of the quote this answers. */
  readonly inReplyTo: string;
  /** Unix seconds. */
  readonly counteredAt: number;
  /** Unix seconds; an hour after `counteredAt` unless given. */
  readonly expiresAt?: number;
  readonly justification?: JsonObject;
}

export interface CounterAcceptParams extends CommonParams {
  /** The other party's DID; the signer's own is made from its address. */
  readonly consumer: string;
  readonly acceptedAmount: bigint;
  /** Message hash of the counter-offer this accepts. */
  readonly inReplyTo: string;
  /** Unix seconds. */
  readonly acceptedAt: number;
}

/** A provider's signed quote. Throws `Refusal` for what no peer would take. */
export async function buildQuote(params: QuoteParams, signer: TypedDataSigner): Promise<PriceQuote> {
  return signed<PriceQuote>(params.kernel, params.quotedAt, signer, {
    type: QUOTE_TYPE,
    version: VERSION,
    txId: params.txId,
    provider: await ownDid(params, signer),
    consumer: params.consumer,
    quotedAmount: String(params.quotedAmount),
    originalAmount: String(params.originalAmount),
    maxPrice: String(params.maxPrice),
    currency: CURRENCY,
    decimals: DECIMALS,
    quotedAt: params.quotedAt,
    expiresAt: params.expiresAt ?? params.quotedAt + TTL_S,
    chainId: params.chainId,
    nonce: params.nonce,
    ...because(params.justification),
  });
}

/** A consumer's signed counter-offer. Throws `Refusal` for what no peer would take. */
export async function buildCounterOffer(params: CounterOfferParams, signer: TypedDataSigner): Promise<CounterOffer> {
  return signed<CounterOffer>(params.kernel, params.counteredAt, signer, {
    type: COUNTER_OFFER_TYPE,
    version: VERSION,
    txId: params.txId,
    consumer: await ownDid(params, signer),
    provider: params.provider,
    quoteAmount: String(params.quoteAmount),
    counterAmount: String(params.counterAmount),
    maxPrice: String(params.maxPrice),
    currency: CURRENCY,
    decimals: DECIMALS,
    inReplyTo: params.inReplyTo,
    counteredAt: params.counteredAt,
    expiresAt: params.expiresAt ?? params.counteredAt + TTL_S,
    chainId: params.chainId,
    nonce: params.nonce,
    ...because(params.justification),
  });
}

/** A provider's signed acceptance of a counter-offer. Throws `Refusal` for what no peer would take. */
export async function buildCounterAccept(params: CounterAcceptParams, signer: TypedDataSigner): Promise<CounterAccept> {
  return signed<CounterAccept>(params.kernel, params.acceptedAt, signer, {
    type: COUNTER_ACCEPT_TYPE,
    version: VERSION,
    txId: params.txId,
    provider: await ownDid(params, signer),
    consumer: params.consumer,
    acceptedAmount: String(params.acceptedAmount),
    inReplyTo: params.inReplyTo,
    acceptedAt: params.acceptedAt,
    chainId: params.chainId,
    nonce: params.nonce,
  });
}

async function ownDid({ chainId }: CommonParams, signer: TypedDataSigner): Promise<string> {
  return `did:ethr:${chainId}:${await signer.getAddress()}`;
}

function because(justification: JsonObject | undefined): { justification?: JsonObject } {
  return justification === undefined ? {} : { justification };
}

async function signed<M extends Message>(
  kernel: string,
  now: number,
  signer: TypedDataSigner,
  draft: Omit<M, "signature"> & { type: M["type"] },
): Promise<M> {
  const message = shaped<M>(draft, draft.type, false);
  checkForm(message);
  checkAmounts(message);
  // A counter-offer may live as long as the cap: a shorter limit is the receiver's choice.
  checkTimes(message, { now, counterTtlMax: TTL_CAP_S });
  const given = await signer.signTypedData(domainOf(message.chainId, kernel), TYPES[message.type], signedPart(message));
  const signature = normalSignature(given);
  if (signerOf(digestOf(message, kernel), signature).toLowerCase() !== addressOf(senderOf(message))) {
    throw new Refusal("signature_invalid", "the signer signed with another key than its address");
  }
  return shaped<M>({ ...message, signature }, draft.type);
}
