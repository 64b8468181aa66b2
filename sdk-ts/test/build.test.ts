/** What is built is verified; what breaks a rule is not signed. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Wallet } from "ethers";

import {
  Refusal,
  buildCounterAccept,
  buildCounterOffer,
  buildQuote,
  messageHash,
  readEnvelope,
  readMessage,
  verifyCounterAccept,
  verifyCounterOffer,
  verifyMessage,
  verifyQuote,
  type CounterOfferParams,
  type Reason,
  type TypedDataSigner,
} from "../src/index.js";

const NOW = 1_700_000_000;
const KERNEL = `0x${"aA".repeat(20)}`;
const BUYER = new Wallet(`0x${"11".repeat(32)}`);
const PROVIDER = new Wallet(`0x${"22".repeat(32)}`);
const DEAL = { kernel: KERNEL, chainId: 84_532, txId: `0x${"aa".repeat(32)}`, nonce: 1 };
const CONTEXT = { now: NOW, kernels: new Map([[84_532, KERNEL]]) };
const PARENT = `0x${"bb".repeat(32)}`;
const buyer = `did:ethr:84532:${BUYER.address}`;
const provider = `did:ethr:84532:${PROVIDER.address}`;

const OFFER: CounterOfferParams = {
  ...DEAL,
  provider,
  quoteAmount: 1_500_000n,
  counterAmount: 800_000n,
  maxPrice: 2_000_000n,
  inReplyTo: PARENT,
  counteredAt: NOW,
};

function refuses(reason: Reason): (error: unknown) => boolean {
  return (error) => error instanceof Refusal && error.reason === reason;
}

test("the counter-offer and the acceptance of the peer's fixtures are built to the same signature", async () => {
  const counter = await buildCounterOffer(OFFER, BUYER);
  assert.equal(
    counter.signature,
    "0x8ffdafe13464bd62d9ec575f314cd486c2c0c68f03752aa0f325a02c1cd536c74fba7d5cb76a708c411bce61555eea4aafcba9a31988c416381daf993ba8d5cc1b",
  );
  assert.equal(messageHash(counter), "0xa786cc7f67c822e030f818043776d60299b0410cbe2ba4ba2262a2ffdec73079");
  const accept = await buildCounterAccept(
    { ...DEAL, consumer: buyer, acceptedAmount: 800_000n, inReplyTo: PARENT, acceptedAt: NOW },
    PROVIDER,
  );
  assert.equal(
    accept.signature,
    "0x0a71eb3fb5a3662fb428a1e61c2a825e4f01204b07b0430fc5fd7ac4632793111a5e86550fca5cf014678eeaf86a3f88037a9cb156b61b4414c615676435e4c71b",
  );
  assert.equal(messageHash(accept), "0xc3fed094814a6740c59b3d0bfb6b9cec51e0b8e4266768783b3ca4eeedbb2b2a");
});

test("a negotiation goes from quote over counter-offer to acceptance, each naming the one before", async () => {
  const quote = await buildQuote(
    { ...DEAL, consumer: buyer, quotedAmount: 1_500_000n, originalAmount: 1_000_000n, maxPrice: 2_000_000n, quotedAt: NOW, justification: { reason: "Rechenzeit für 市场" } },
    PROVIDER,
  );
  const quoted = verifyQuote(quote, CONTEXT);
  assert.ok(quoted.ok);
  const counter = verifyCounterOffer(await buildCounterOffer({ ...OFFER, inReplyTo: quoted.messageHash }, BUYER), CONTEXT);
  assert.ok(counter.ok);
  assert.equal(counter.message.inReplyTo, messageHash(quote));
  const accept = verifyCounterAccept(
    await buildCounterAccept({ ...DEAL, consumer: buyer, acceptedAmount: 800_000n, inReplyTo: counter.messageHash, acceptedAt: NOW }, PROVIDER),
    CONTEXT,
  );
  assert.ok(accept.ok);
  assert.equal(accept.signer, PROVIDER.address);
});

test("a lawful message is read back from its own JSON text, bare and in its envelope", async () => {
  const counter = await buildCounterOffer({ ...OFFER, justification: { reason: "€", marketRate: 1e-7, breakdown: {} } }, BUYER);
  assert.deepEqual(readMessage(JSON.stringify(counter)), counter);
  assert.deepEqual(readEnvelope(JSON.stringify({ type: counter.type, message: counter })), counter);
});

test("an envelope names the type of its message and holds nothing else", async () => {
  const message = await buildCounterOffer(OFFER, BUYER);
  const envelope = (value: unknown) => () => readEnvelope(JSON.stringify(value));
  assert.throws(envelope({ type: "agirails.quote.v1", message }), refuses("schema_invalid"));
  assert.throws(envelope({ type: "agirails.quote.v9", message }), refuses("message_type_unsupported"));
  assert.throws(envelope({ type: message.type, message, hop: 1 }), refuses("malformed"));
  assert.throws(envelope({ type: message.type }), refuses("malformed"));
  assert.throws(envelope([message]), refuses("malformed"));
});

test("what no peer would take is not signed", async () => {
  const unlawful: readonly (readonly [Reason, Partial<CounterOfferParams>])[] = [
    ["counter_not_below_quote", { counterAmount: 1_500_000n }],
    ["amount_below_minimum", { counterAmount: 49_999n }],
    ["above_max_price", { maxPrice: 700_000n }],
    ["schema_invalid", { maxPrice: -1n }],
    ["did_chain_mismatch", { provider: `did:ethr:8453:${PROVIDER.address}` }],
    ["same_party", { provider: buyer }],
    ["schema_invalid", { txId: `0x${"AA".repeat(32)}` }],
    ["ttl_exceeded", { expiresAt: NOW + 86_401 }],
    ["expiry_before_creation", { expiresAt: NOW }],
    ["malformed", { nonce: 2 ** 53 }],
    ["justification_too_large", { justification: { reason: "x".repeat(2_048) } }],
    ["malformed", { justification: { reason: "\ud800" } }],
    ["malformed", { justification: { marketRate: Number.NaN } }],
    ["malformed", { justification: { marketRate: 2 ** 53 } }],
  ];
  let signatures = 0;
  const counting: TypedDataSigner = {
    getAddress: () => BUYER.getAddress(),
    signTypedData: (...parts) => ((signatures += 1), BUYER.signTypedData(...parts)),
  };
  for (const [reason, change] of unlawful) {
    await assert.rejects(buildCounterOffer({ ...OFFER, ...change }, counting), refuses(reason), reason);
  }
  assert.equal(signatures, 0);
});

test("a signer that signs with another key than its address is caught", async () => {
  const liar: TypedDataSigner = {
    getAddress: () => BUYER.getAddress(),
    signTypedData: (...parts) => PROVIDER.signTypedData(...parts),
  };
  await assert.rejects(buildCounterOffer(OFFER, liar), refuses("signature_invalid"));
});

test("a signer that writes v as 0 or 1 is heard, and v 27 or 28 is sent", async () => {
  const ledger: TypedDataSigner = {
    getAddress: () => BUYER.getAddress(),
    signTypedData: async (...parts) => (await BUYER.signTypedData(...parts)).replace(/1b$/, "00").replace(/1c$/, "01"),
  };
  assert.deepEqual(await buildCounterOffer(OFFER, ledger), await buildCounterOffer(OFFER, BUYER));
});

test("what was verified cannot change afterwards, whatever the sender's object does", async () => {
  const sent = structuredClone(await buildCounterOffer({ ...OFFER, justification: { reason: "a" } }, BUYER)) as unknown as Record<string, unknown>;
  const verdict = verifyCounterOffer(sent, CONTEXT);
  sent["counterAmount"] = "1";
  (sent["justification"] as Record<string, unknown>)["reason"] = "b";
  assert.ok(verdict.ok);
  assert.equal(verdict.message.counterAmount, "800000");
  assert.equal(verdict.message.justification?.["reason"], "a");
  assert.throws(() => Object.assign(verdict.message.justification ?? {}, { reason: "b" }), TypeError);
});

test("a longer life is taken where the receiver allows it, up to a day", async () => {
  const counter = await buildCounterOffer({ ...OFFER, expiresAt: NOW + 86_400 }, BUYER);
  assert.equal(verifyCounterOffer(counter, { ...CONTEXT, counterTtlMax: 10 ** 9 }).ok, true);
  const refused = verifyCounterOffer(counter, CONTEXT);
  assert.equal(refused.ok ? "ok" : refused.reason, "ttl_exceeded");
});

test("a message of one type is none of another", async () => {
  const counter = await buildCounterOffer(OFFER, BUYER);
  for (const verify of [verifyQuote, verifyCounterAccept]) {
    const verdict = verify(counter, CONTEXT);
    assert.equal(verdict.ok ? "ok" : verdict.reason, "message_type_unsupported");
  }
  assert.equal(verifyMessage(counter, CONTEXT).ok, true);
});

test("no value whatever makes verification throw", () => {
  const cyclic: Record<string, unknown> = { type: "agirails.quote.v1" };
  cyclic["justification"] = cyclic;
  const hostile: readonly unknown[] = [
    undefined, null, true, 0, Number.NaN, 1n, "", [], {}, () => 0, Symbol("s"), new Date(0), new Map(), cyclic,
    { type: "toString" }, { type: "__proto__" }, { type: ["agirails.quote.v1"] }, Object.create({ type: "agirails.quote.v1" }),
    { type: "agirails.quote.v1", [Symbol("s")]: 1 }, { type: "agirails.quote.v1", toJSON: () => ({}) },
    JSON.parse('{"type":"agirails.quote.v1","__proto__":{"version":"1.0.0"}}'),
  ];
  for (const value of hostile) {
    for (const verify of [verifyQuote, verifyCounterOffer, verifyCounterAccept, verifyMessage]) {
      assert.equal(verify(value, CONTEXT).ok, false);
    }
  }
});
