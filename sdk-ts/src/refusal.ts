/**
 * Every way this package says no.
 *
 * Laws: a hostile message ends in a `Refusal`, never in another error; `reason` is stable and
 * the word that treaty's Python side (`treaty.dialects.actp.choices`) says for the same fault;
 * `detail` is for people and may change.
 */

/** Why a message is not taken. */
export type Reason =
  // It is not a message: JSON, members and their types.
  | "malformed"
  | "too_large"
  | "message_type_unsupported"
  // Its members do not have the form that is signed.
  | "schema_invalid"
  | "currency_unsupported"
  | "chain_unsupported"
  | "did_invalid"
  | "did_chain_mismatch"
  | "same_party"
  | "justification_too_large"
  // Its signature is none, or somebody else's.
  | "signature_malformed"
  | "signature_invalid"
  // Its amounts or times are not possible.
  | "amount_below_minimum"
  | "amount_above_maximum"
  | "counter_not_below_quote"
  | "quote_below_original"
  | "above_max_price"
  | "created_in_future"
  | "expiry_before_creation"
  | "ttl_exceeded"
  | "offer_expired"
  | "message_expired";

/** A message that is not accepted, and why. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reason: Reason;

  constructor(reason: Reason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

const SHOWN_MAX = 80;

/** A stranger's value for an error text: quoted, escaped and cut to a limit. */
export function shown(foreign: unknown): string {
  const text = typeof foreign === "string" ? JSON.stringify(foreign.slice(0, SHOWN_MAX)) : kindOf(foreign);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX - 1)}…`;
}

function kindOf(foreign: unknown): string {
  if (typeof foreign === "number" || typeof foreign === "boolean" || foreign === null) return String(foreign);
  return Array.isArray(foreign) ? "an array" : typeof foreign;
}
