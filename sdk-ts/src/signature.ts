/**
 * 65-byte secp256k1 signatures: r, s, v.
 *
 * Laws: low s only, so a signature has no twin; v is 27 or 28, read also as 0 or 1.
 */

import { recoverAddress } from "ethers";

import { Refusal, shown } from "./refusal.js";

const ORDER = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

const SIGNATURE = /^0x[0-9a-fA-F]{130}$/;

/** The same signature with v 27 or 28 in lower case; refuses high s and any other v. */
export function normalSignature(signature: string): string {
  if (!SIGNATURE.test(signature)) {
    throw new Refusal("signature_malformed", `not 0x and 130 hex digits: ${shown(signature)}`);
  }
  const s = BigInt(`0x${signature.slice(66, 130)}`);
  if (s > ORDER / 2n) throw new Refusal("signature_invalid", "s is in the upper half of the order");
  const v = Number.parseInt(signature.slice(130), 16);
  if (v !== 0 && v !== 1 && v !== 27 && v !== 28) throw new Refusal("signature_invalid", `v is ${v}`);
  return signature.slice(0, 130).toLowerCase() + (v % 27 === 0 ? "1b" : "1c");
}

/** The address that made a signature, in checksum case. */
export function signerOf(digest: string, signature: string): string {
  const normal = normalSignature(signature);
  try {
    return recoverAddress(digest, normal);
  } catch {
    throw new Refusal("signature_invalid", "no key could have made this signature");
  }
}
