/**
 * The two hashes of a message: the EIP-712 digest, which is signed, and the message hash, which
 * other messages and the chain refer to.
 *
 * Laws: the justification is hashed as received, every member of it; the order of the members in
 * the types is part of the digest and differs between the three messages.
 */

import { TypedDataEncoder, keccak256, type TypedDataDomain, type TypedDataField } from "ethers";

import { canonicalBytes, type Json, type JsonObject } from "./json.js";
import { COUNTER_ACCEPT_TYPE, COUNTER_OFFER_TYPE, QUOTE_TYPE, shaped, typeOf, type Message, type MessageType } from "./messages.js";
import { checkForm } from "./rules.js";

export const ZERO_HASH = `0x${"0".repeat(64)}`;

/** The EIP-712 types, exactly as AIP-2.1 orders their members. */
export const TYPES: Readonly<Record<MessageType, Record<string, TypedDataField[]>>> = {
  [QUOTE_TYPE]: {
    PriceQuote: fields(
      "bytes32 txId,string provider,string consumer,string quotedAmount,string originalAmount," +
        "string maxPrice,string currency,uint8 decimals,uint256 quotedAt,uint256 expiresAt," +
        "bytes32 justificationHash,uint256 chainId,uint256 nonce",
    ),
  },
  [COUNTER_OFFER_TYPE]: {
    CounterOffer: fields(
      "bytes32 txId,string consumer,string provider,string quoteAmount,string counterAmount," +
        "string maxPrice,string currency,uint8 decimals,bytes32 inReplyTo,uint256 counteredAt," +
        "uint256 expiresAt,bytes32 justificationHash,uint256 chainId,uint256 nonce",
    ),
  },
  [COUNTER_ACCEPT_TYPE]: {
    CounterAccept: fields(
      "bytes32 txId,string provider,string consumer,string acceptedAmount,bytes32 inReplyTo," +
        "uint256 acceptedAt,uint256 chainId,uint256 nonce",
    ),
  },
};

function fields(signature: string): TypedDataField[] {
  return signature.split(",").map((field) => {
    const [type = "", name = ""] = field.split(" ");
    return { type, name };
  });
}

/** The domain of a chain's kernel. */
export function domainOf(chainId: number, kernel: string): TypedDataDomain {
  // Lower case, because ethers would refuse a mixed-case address without a checksum.
  return { name: "AGIRAILS", version: "1", chainId, verifyingContract: kernel.toLowerCase() };
}

/** keccak256 of the canonical justification; 32 zero bytes when it is absent or empty. */
export function justificationHash(justification: JsonObject | undefined): string {
  if (justification === undefined || Object.keys(justification).length === 0) return ZERO_HASH;
  return keccak256(canonicalBytes(justification));
}

/** The members the signature covers, and no others. */
export function signedPart(message: Message): Record<string, unknown> {
  const whole: Record<string, unknown> = { ...message };
  if (message.type !== COUNTER_ACCEPT_TYPE) whole["justificationHash"] = justificationHash(message.justification);
  const members = Object.values(TYPES[message.type]).flat();
  return Object.fromEntries(members.map(({ name }) => [name, whole[name]]));
}

/** The EIP-712 digest of a message under a kernel. Refuses what is not a message. */
export function digest(message: unknown, kernel: string): string {
  const known = shaped<Message>(message, typeOf(message), false);
  checkForm(known);
  return digestOf(known, kernel);
}

/** As `digest`, for a message whose form has been checked. */
export function digestOf(message: Message, kernel: string): string {
  return TypedDataEncoder.hash(domainOf(message.chainId, kernel), TYPES[message.type], signedPart(message));
}

/** keccak256 of the canonical message without its signature: what `inReplyTo` and the chain hold. */
export function messageHash(message: unknown): string {
  return hashOf(shaped<Message>(message, typeOf(message), false));
}

/** As `messageHash`, for a message that `shaped` has checked. */
export function hashOf(message: Message): string {
  const unsigned = Object.fromEntries(Object.entries(message).filter(([name]) => name !== "signature"));
  return keccak256(canonicalBytes(unsigned as Record<string, Json>));
}
