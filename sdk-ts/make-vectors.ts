/**
 * Writes the conformance vectors this side makes: `npm run vectors`.
 *
 * Laws: the same bytes on every run (fixed keys, time and nonces; RFC 6979 signatures), so a
 * test can hold the committed files against them. In a vector that must be refused exactly one
 * thing is wrong, and whatever the signature can cover is signed.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Wallet } from "ethers";

import {
  COUNTER_ACCEPT_TYPE,
  COUNTER_OFFER_TYPE,
  QUOTE_TYPE,
  TYPES,
  digest,
  domainOf,
  justificationHash,
  messageHash,
  type JsonObject,
  type MessageType,
  type Reason,
} from "./src/index.js";

export const KERNEL = `0x${"AA".repeat(20)}`;
export const NOW = 1_700_000_000;
const CHAIN = 84_532;

const buyer = new Wallet(`0x${"11".repeat(32)}`);
const provider = new Wallet(`0x${"22".repeat(32)}`);
const TX = `0x${"ab".repeat(32)}`;
const PARENT = `0x${"cd".repeat(32)}`;
const ORDER = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

/** One vector; `message` as JSON, or `text` where the spelling itself is what is tested. */
export interface Vector {
  readonly name: string;
  readonly kind: Kind;
  readonly domain: { readonly chainId: number; readonly verifyingContract: string };
  readonly message?: Draft;
  readonly text?: string;
  readonly now?: number;
  readonly expect: "ok" | Reason;
  readonly digest?: string;
  readonly messageHash?: string;
  readonly signer?: string;
}

type Kind = "quote" | "counter_offer" | "counter_accept";
type Draft = Readonly<Record<string, unknown>>;

const KIND_TYPES: Readonly<Record<Kind, MessageType>> = {
  quote: QUOTE_TYPE,
  counter_offer: COUNTER_OFFER_TYPE,
  counter_accept: COUNTER_ACCEPT_TYPE,
};

function did(wallet: Wallet, chainId = CHAIN): string {
  return `did:ethr:${chainId}:${wallet.address}`;
}

function draft(kind: Kind, changes: Draft = {}): Draft {
  const chainId = (changes["chainId"] as number | undefined) ?? CHAIN;
  const parties = { provider: did(provider, chainId), consumer: did(buyer, chainId) };
  const open = { type: KIND_TYPES[kind], version: "1.0.0", txId: TX, ...parties };
  const priced = { maxPrice: "2000000", currency: "USDC", decimals: 6, expiresAt: NOW + 3_600 };
  const close = { chainId, nonce: 1 };
  switch (kind) {
    case "quote":
      return { ...open, quotedAmount: "1500000", originalAmount: "1000000", ...priced, quotedAt: NOW, ...close, ...changes };
    case "counter_offer":
      return { ...open, quoteAmount: "1500000", counterAmount: "800000", ...priced, inReplyTo: PARENT, counteredAt: NOW, ...close, ...changes };
    case "counter_accept":
      return { ...open, acceptedAmount: "800000", inReplyTo: PARENT, acceptedAt: NOW, ...close, ...changes };
  }
}

/** Sign a draft whatever rules it breaks, which the package itself would not do. */
async function signed(kind: Kind, changes: Draft = {}, by?: Wallet, kernel = KERNEL): Promise<Draft> {
  const message = draft(kind, changes);
  const wallet = by ?? (kind === "counter_offer" ? buyer : provider);
  const covered = { ...message, justificationHash: justificationHash(message["justification"] as JsonObject | undefined) };
  const types = TYPES[KIND_TYPES[kind]];
  const values = Object.fromEntries(Object.values(types).flat().map(({ name }) => [name, (covered as Draft)[name]]));
  const signature = await wallet.signTypedData(domainOf(message["chainId"] as number, kernel), types, values);
  return { ...message, signature };
}

async function good(kind: Kind, name: string, changes: Draft = {}, edit: (message: Draft) => Draft = same): Promise<Vector> {
  const message = edit(await signed(kind, changes));
  return { name, kind, domain: domain(message), message, expect: "ok", ...derived(kind, message) };
}

/** A lawful message whose text is spelled otherwise than `JSON.stringify` spells it. */
async function goodText(kind: Kind, name: string, changes: Draft, from: string, to: string): Promise<Vector> {
  const message = await signed(kind, changes);
  return { name, kind, domain: domain(message), text: respelled(message, from, to), expect: "ok", ...derived(kind, message) };
}

async function bad(kind: Kind, name: string, expect: Reason, changes: Draft, edit: (message: Draft) => Draft = same): Promise<Vector> {
  const message = edit(await signed(kind, changes));
  return { name, kind, domain: { chainId: CHAIN, verifyingContract: KERNEL }, message, expect };
}

async function badText(name: string, from: string, to: string, changes: Draft = {}, expect: Reason = "malformed"): Promise<Vector> {
  const message = await signed("counter_offer", changes);
  return { name, kind: "counter_offer", domain: domain(message), text: respelled(message, from, to), expect };
}

function respelled(message: Draft, from: string, to: string): string {
  const text = JSON.stringify(message);
  if (!text.includes(from)) throw new Error(`${from} does not stand in ${text}`);
  return text.replace(from, () => to);
}

function domain(message: Draft): Vector["domain"] {
  return { chainId: message["chainId"] as number, verifyingContract: KERNEL };
}

function derived(kind: Kind, message: Draft): Pick<Vector, "digest" | "messageHash" | "signer"> {
  const signer = kind === "counter_offer" ? buyer.address : provider.address;
  return { digest: digest(message, KERNEL), messageHash: messageHash(message), signer };
}

function same(message: Draft): Draft {
  return message;
}

function set(changes: Draft): (message: Draft) => Draft {
  return (message) => ({ ...message, ...changes });
}

function without(name: string): (message: Draft) => Draft {
  return (message) => Object.fromEntries(Object.entries(message).filter(([key]) => key !== name));
}

function resigned(edit: (signature: string) => string): (message: Draft) => Draft {
  return (message) => ({ ...message, signature: edit(message["signature"] as string) });
}

function highS(signature: string): string {
  const s = (ORDER - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
  return signature.slice(0, 66) + s + (signature.endsWith("1b") ? "1c" : "1b");
}

function smallV(signature: string): string {
  return signature.slice(0, 130) + (signature.endsWith("1b") ? "00" : "01");
}

const TEXTS: JsonObject = { reason: "Preis laut Marktübersicht: 市场价格 \u{1f4b6} \u2028 \u007f \" \\ / \b \u0001", note: "naïve" };
const KEYS: JsonObject = { "\u{1f600}": 1, "\ufb01": 2, "\u20ac": 3, "\r": 4, "1": 5, "10": 6, "2": 7, "": 8 };
const NUMBERS: JsonObject = {
  marketRate: 1e-7,
  breakdown: { a: 1e-6, b: 1e21, c: 0.1, d: 1.5e-8, e: 4.5, f: 9007199254740991, g: -9007199254740991, h: 5e-324, i: 333333333.3333333, j: 100 },
};
const NESTED: JsonObject = { breakdown: { c: [1, [true, null, { z: [], y: {} }], "x"], b: { a: {} } }, reason: "", marketRate: 0 };
const NULLS: JsonObject = { reason: null, marketRate: null, breakdown: {}, unheardOf: [null] };

async function goodQuotes(): Promise<Vector[]> {
  return [
    await good("quote", "quote"),
    await good("quote", "quote_justified", { justification: { reason: "GPU hours", estimatedTime: 40, computeCost: 1.25, breakdown: { gpu: 3 } }, nonce: 2 }),
    await good("quote", "quote_non_ascii", { justification: TEXTS, nonce: 3 }),
    await good("quote", "quote_key_order_utf16", { justification: KEYS, nonce: 4 }),
    await good("quote", "quote_empty_justification", { justification: {}, nonce: 5 }),
    await good("quote", "quote_at_the_price_asked", { quotedAmount: "2000000", originalAmount: "2000000", nonce: 6 }),
    await good("quote", "quote_max_price_beyond_double", { quotedAmount: "1000000000000000", maxPrice: "9007199254740993", nonce: 7 }),
    await good("quote", "quote_largest_nonce", { nonce: Number.MAX_SAFE_INTEGER }),
    await good("quote", "quote_lives_a_day", { expiresAt: NOW + 86_400, nonce: 9 }),
  ];
}

async function goodCounters(): Promise<Vector[]> {
  const lower = { consumer: did(buyer).toLowerCase(), provider: did(provider).toLowerCase() };
  const upper = { consumer: `did:ethr:${CHAIN}:0x${buyer.address.slice(2).toUpperCase()}` };
  return [
    await good("counter_offer", "counter_offer"),
    await good("counter_offer", "counter_non_ascii", { justification: TEXTS, nonce: 2 }),
    await good("counter_offer", "counter_key_order_utf16", { justification: KEYS, nonce: 3 }),
    await good("counter_offer", "counter_numbers", { justification: NUMBERS, nonce: 4 }),
    await good("counter_offer", "counter_nested", { justification: NESTED, nonce: 5 }),
    await good("counter_offer", "counter_nulls_and_unknown_keys", { justification: NULLS, nonce: 6 }),
    await good("counter_offer", "counter_empty_justification", { justification: {}, nonce: 7 }),
    await good("counter_offer", "counter_did_lower_case", { ...lower, nonce: 8 }),
    await good("counter_offer", "counter_did_upper_case", { ...upper, nonce: 9 }),
    await good("counter_offer", "counter_chain_8453", { chainId: 8_453, nonce: 10 }),
    await good("counter_offer", "counter_v_0_or_1", { nonce: 11 }, resigned(smallV)),
    await good("counter_offer", "counter_least_amount", { counterAmount: "50000", nonce: 12 }),
    await good("counter_offer", "counter_clock_ahead", { counteredAt: NOW + 300, nonce: 13 }),
    await good("counter_offer", "counter_last_second", { counteredAt: NOW - 60, expiresAt: NOW, nonce: 14 }),
    await good("counter_offer", "counter_justification_2048_bytes", { justification: { reason: "x".repeat(2_035) }, nonce: 15 }),
  ];
}

async function goodTexts(): Promise<Vector[]> {
  const rate = { justification: { marketRate: 0 } };
  return [
    await goodText("counter_offer", "text_minus_zero", rate, '"marketRate":0', '"marketRate":-0'),
    await goodText("counter_offer", "text_minus_zero_point", rate, '"marketRate":0', '"marketRate":-0.0'),
    await goodText("counter_offer", "text_one_point_zero", { justification: { marketRate: 1 } }, '"marketRate":1', '"marketRate":1.0'),
    await goodText("counter_offer", "text_exponent_upper_case", { justification: { marketRate: 1e-7 } }, "1e-7", "1E-07"),
    await goodText("counter_offer", "text_escapes", { justification: { reason: "€ \u{1f600}" } }, "€ \u{1f600}", "\\u20AC \\ud83d\\ude00"),
    await goodText("counter_offer", "text_escaped_member_name", {}, '"nonce"', '"n\\u006fnce"'),
    await goodText("counter_accept", "text_white_space", {}, "{", " \r\n\t{ "),
  ];
}

async function goodAccepts(): Promise<Vector[]> {
  return [
    await good("counter_accept", "counter_accept"),
    await good("counter_accept", "accept_least_amount", { acceptedAmount: "50000", nonce: 2 }),
    await good("counter_accept", "accept_did_lower_case", { provider: did(provider).toLowerCase(), nonce: 3 }),
    await good("counter_accept", "accept_v_0_or_1", { nonce: 4 }, resigned(smallV)),
  ];
}

async function badSpellings(): Promise<Vector[]> {
  const wrong = (name: string, expect: Reason, changes: Draft) => bad("counter_offer", name, expect, {}, set(changes));
  return [
    await wrong("amount_newline", "schema_invalid", { counterAmount: "800000\n" }),
    await wrong("amount_leading_zero", "schema_invalid", { counterAmount: "0800000" }),
    await wrong("amount_arabic_digits", "schema_invalid", { counterAmount: "٨٠٠٠٠٠" }),
    await wrong("amount_number", "malformed", { counterAmount: 800000 }),
    await wrong("amount_signed", "schema_invalid", { counterAmount: "+800000" }),
    await wrong("amount_fraction", "schema_invalid", { counterAmount: "800000.0" }),
    await wrong("nonce_fraction", "malformed", { nonce: 1001.9 }),
    await wrong("nonce_true", "malformed", { nonce: true }),
    await wrong("nonce_text", "malformed", { nonce: "1" }),
    await wrong("nonce_negative", "malformed", { nonce: -1 }),
    await wrong("nonce_null", "malformed", { nonce: null }),
    await wrong("text_too_long", "malformed", { version: "1".repeat(4_097) }),
    await wrong("chain_text", "malformed", { chainId: "84532" }),
    await wrong("decimals_fraction", "malformed", { decimals: 6.9 }),
    await wrong("tx_id_upper_case", "schema_invalid", { txId: `0x${"AB".repeat(32)}` }),
    await wrong("tx_id_newline", "schema_invalid", { txId: `${TX}\n` }),
    await wrong("in_reply_to_upper_case", "schema_invalid", { inReplyTo: `0x${"CD".repeat(32)}` }),
    await wrong("signature_short", "signature_malformed", { signature: `0x${"11".repeat(64)}` }),
    await wrong("unknown_member", "malformed", { memo: "not signed" }),
    await wrong("justification_null", "malformed", { justification: null }),
    await wrong("justification_array", "malformed", { justification: [] }),
    await wrong("justification_2049_bytes", "justification_too_large", { justification: { reason: "x".repeat(2_036) } }),
    await wrong("version_two_numbers", "schema_invalid", { version: "1.0" }),
    await wrong("version_newline", "schema_invalid", { version: "1.0.0\n" }),
    await wrong("version_12_bytes", "schema_invalid", { version: "1.0.1234567890".slice(0, 12) }),
    await wrong("type_unknown", "message_type_unsupported", { type: "agirails.counteroffer.v2" }),
    await bad("counter_offer", "missing_nonce", "malformed", {}, without("nonce")),
    await bad("counter_offer", "missing_signature", "malformed", {}, without("signature")),
    await bad("counter_accept", "accept_with_expiry", "malformed", {}, set({ expiresAt: NOW + 60 })),
  ];
}

async function badDids(): Promise<Vector[]> {
  const address = provider.address;
  const spelled = (name: string, spelling: string) => bad("counter_offer", name, "did_invalid", { provider: spelling });
  return [
    await spelled("did_without_chain", `did:ethr:${address}`),
    await bad("counter_offer", "did_other_chain", "did_chain_mismatch", { provider: `did:ethr:8453:${address}` }),
    await spelled("did_network_name", `did:ethr:base-sepolia:${address}`),
    await spelled("did_chain_leading_zero", `did:ethr:084532:${address}`),
    await spelled("did_chain_hex", `did:ethr:0x14a34:${address}`),
    await spelled("did_upper_case_0x", `did:ethr:${CHAIN}:0X${address.slice(2)}`),
    await spelled("did_no_address", "did:ethr:"),
    await spelled("did_short_address", `did:ethr:${CHAIN}:${address.slice(0, 41)}`),
    await spelled("did_extra_part", `did:ethr:${CHAIN}:x:${address}`),
    await spelled("did_fragment", `did:ethr:${CHAIN}:${address}#controller`),
    await spelled("did_newline", `did:ethr:${CHAIN}:${address}\n`),
    await spelled("did_zero_account", `did:ethr:${CHAIN}:0x${"0".repeat(40)}`),
    await spelled("did_method_upper_case", `DID:ethr:${CHAIN}:${address}`),
    await bad("counter_offer", "same_party", "same_party", { provider: did(buyer) }),
  ];
}

async function badRules(): Promise<Vector[]> {
  const counter = (name: string, expect: Reason, changes: Draft) => bad("counter_offer", name, expect, changes);
  const quote = (name: string, expect: Reason, changes: Draft) => bad("quote", name, expect, changes);
  const rich = { quotedAmount: "1000000000000001", maxPrice: "1000000000000001" };
  return [
    await counter("counter_equals_quote", "counter_not_below_quote", { counterAmount: "1500000" }),
    await counter("counter_above_max_price", "above_max_price", { maxPrice: "799999" }),
    await counter("counter_too_small", "amount_below_minimum", { counterAmount: "49999" }),
    await counter("counter_too_large", "amount_above_maximum", { counterAmount: "1000000000000001" }),
    await counter("counter_expired", "offer_expired", { counteredAt: NOW - 60, expiresAt: NOW - 1 }),
    await counter("counter_expired_at_the_grace", "offer_expired", { counteredAt: NOW - 60, expiresAt: NOW - 30 }),
    await counter("counter_expired_long_ago", "message_expired", { counteredAt: NOW - 60, expiresAt: NOW - 31 }),
    await counter("counter_expires_before_made", "expiry_before_creation", { counteredAt: NOW + 200, expiresAt: NOW + 100 }),
    await counter("counter_in_the_future", "created_in_future", { counteredAt: NOW + 301 }),
    await counter("counter_ten_years", "ttl_exceeded", { expiresAt: NOW + 315_360_000 }),
    await counter("counter_over_an_hour", "ttl_exceeded", { expiresAt: NOW + 3_601 }),
    await counter("counter_currency", "currency_unsupported", { currency: "USDT" }),
    await counter("counter_decimals", "schema_invalid", { decimals: 18 }),
    await counter("chain_unknown", "chain_unsupported", { chainId: 1 }),
    await quote("quote_below_original", "quote_below_original", { quotedAmount: "999999" }),
    await quote("quote_above_max_price", "above_max_price", { quotedAmount: "2000001" }),
    await quote("quote_too_small", "amount_below_minimum", { quotedAmount: "49999", originalAmount: "49999" }),
    await quote("quote_too_large", "amount_above_maximum", rich),
    await quote("quote_over_a_day", "ttl_exceeded", { expiresAt: NOW + 86_401 }),
    await bad("counter_accept", "accept_too_small", "amount_below_minimum", { acceptedAmount: "49999" }),
    await bad("counter_accept", "accept_too_large", "amount_above_maximum", { acceptedAmount: "1000000000000001" }),
    await bad("counter_accept", "accept_in_the_future", "created_in_future", { acceptedAt: NOW + 301 }),
  ];
}

async function badSignatures(): Promise<Vector[]> {
  const domain = { chainId: CHAIN, verifyingContract: KERNEL };
  const foreign = { kind: "counter_offer", domain, expect: "signature_invalid" } as const;
  const after = (name: string, changes: Draft) => bad("counter_offer", name, "signature_invalid", {}, set(changes));
  return [
    await bad("counter_offer", "high_s", "signature_invalid", {}, resigned(highS)),
    await bad("counter_accept", "accept_high_s", "signature_invalid", {}, resigned(highS)),
    await bad("quote", "quote_high_s", "signature_invalid", {}, resigned(highS)),
    await bad("counter_offer", "v_29", "signature_invalid", {}, resigned((s) => `${s.slice(0, 130)}1d`)),
    await bad("counter_offer", "signature_zero", "signature_invalid", {}, resigned(() => `0x${"00".repeat(64)}1b`)),
    await after("amount_changed", { counterAmount: "800001" }),
    await after("tx_id_changed", { txId: `0x${"ac".repeat(32)}` }),
    await after("justification_added", { justification: { reason: "added later" } }),
    await bad("counter_offer", "justification_key_added", "signature_invalid", { justification: { reason: "signed" } }, set({ justification: { reason: "signed", more: 1 } })),
    await bad("counter_offer", "justification_removed", "signature_invalid", { justification: { reason: "signed" } }, without("justification")),
    await after("did_recased", { consumer: did(buyer).toLowerCase() }),
    { name: "signed_by_the_other", ...foreign, message: await signed("counter_offer", {}, provider) },
    { name: "signed_for_another_kernel", ...foreign, message: await signed("counter_offer", {}, buyer, `0x${"bb".repeat(20)}`) },
  ];
}

async function badTexts(): Promise<Vector[]> {
  const rate = { justification: { marketRate: 1 } };
  const reason = { justification: { reason: "x" } };
  return [
    await badText("text_name_twice", '"nonce":1', '"nonce":1,"nonce":1'),
    await badText("text_name_twice_escaped", '"nonce":1', '"nonce":1,"n\\u006fnce":1'),
    await badText("text_name_twice_deep", '"marketRate":1', '"marketRate":1,"marketRate":2', rate),
    await badText("text_integer_2_53", '"marketRate":1', '"marketRate":9007199254740992', rate),
    await badText("text_integer_30_digits", '"marketRate":1', '"marketRate":123456789012345678901234567890', rate),
    await badText("text_integer_by_exponent", '"marketRate":1', '"marketRate":1e20', rate),
    await badText("text_infinite", '"marketRate":1', '"marketRate":1e400', rate),
    await badText("text_nan", '"marketRate":1', '"marketRate":NaN', rate),
    await badText("text_lone_surrogate", '"reason":"x"', '"reason":"\\ud800"', reason),
    await badText("text_lone_surrogate_name", '"reason":"x"', '"\\udc00":"x"', reason),
    await badText("text_control_character", '"reason":"x"', '"reason":"\u0001"', reason),
    await badText("text_integer_with_point", '"nonce":1', '"nonce":1.0'),
    await badText("text_integer_with_exponent", '"nonce":1', '"nonce":1e0'),
    await badText("text_leading_zero", '"nonce":1', '"nonce":01'),
    await badText("text_trailing_comma", '"nonce":1', '"nonce":1,,'),
    await badText("text_byte_order_mark", "{", "\ufeff{"),
    await badText("text_deep", '"marketRate":1', `"marketRate":${"[".repeat(31)}${"]".repeat(31)}`, rate),
    { ...(await badText("text_trailing_data", "{", "{")), text: `${JSON.stringify(await signed("counter_offer"))} {}` },
    { ...(await badText("text_cut_off", "{", "{")), text: JSON.stringify(await signed("counter_offer")).slice(0, -1) },
  ];
}

/** Every file with its text. */
export async function files(): Promise<ReadonlyMap<string, string>> {
  const groups: Record<string, Vector[]> = {
    "quotes.json": await goodQuotes(),
    "counter_offers.json": await goodCounters(),
    "counter_accepts.json": await goodAccepts(),
    "texts.json": await goodTexts(),
    "refused_spellings.json": await badSpellings(),
    "refused_dids.json": await badDids(),
    "refused_rules.json": await badRules(),
    "refused_signatures.json": await badSignatures(),
    "refused_texts.json": await badTexts(),
  };
  return new Map(Object.entries(groups).map(([name, vectors]) => [name, `${JSON.stringify(vectors, null, 2)}\n`]));
}

async function write(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of await files()) writeFileSync(join(folder, name), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error("usage: make-vectors <folder>");
  await write(folder);
}
