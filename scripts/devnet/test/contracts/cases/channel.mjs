import assert from 'node:assert/strict';
import { beginCell } from '@ton/core';
import { assertAccepted, assertRefused } from '../../support/assertions.mjs';
import { ChannelFixture, ERR, MAX_CHALLENGE, MAX_OPEN_WINDOW, OP, RESERVE, readEvent, simple, voucherDigest } from '../../support/channel.mjs';
import { keyFrom } from '../../support/keys.mjs';
import { party } from '../../support/world.mjs';

const TON = 1_000_000_000n;
const STRANGER = party('stranger');

/** Directed cases: `run` gets a world and the channel code under test, which may be a mutant. */
export const channelCases = [];

function scenario(name, run) {
  channelCases.push({ name, run: (world, code) => run(world, (terms) => new ChannelFixture(world, { code, ...terms })) });
}

async function opened(channel, deposit = TON) {
  assertAccepted(await channel.open(deposit));
  return channel;
}

function pastWindow(channel) {
  channel.world.advanceTo(channel.openBefore + 1);
}

scenario('open: inside the window sets the flag and keeps the deposit', async (world, make) => {
  const channel = make({ expiresAt: world.now + 9_000 });
  const outcome = await channel.open(TON);
  assertAccepted(outcome);
  assert.equal(outcome.sent.length, 0);
  assert.deepEqual(channel.state(), { opened: true, claimed: 0n, closeAt: 0, expiresAt: channel.expiresAt });
  assert.equal(channel.balance, TON - outcome.gasFees);
});

scenario('open: the last second of the window still counts, the next does not', async (world, make) => {
  const onTime = make({ salt: 1n });
  world.advanceTo(onTime.openBefore);
  assertAccepted(await onTime.open());
  const late = make({ salt: 2n, openBefore: world.now - 1 });
  const outcome = await late.open(TON);
  assert.equal(outcome.exitCode, ERR.openWindow);
  assert.equal(late.state().opened, false);
  assert.equal(late.balance, 0n);
  assert.ok(outcome.sent[0].bounced);
});

scenario('open: refused in the masterchain, where the money waits for the refund', async (world, make) => {
  const twin = make({ workchain: -1 });
  assert.equal((await twin.open(TON)).exitCode, ERR.openWindow);
  assert.equal(twin.state().opened, false);
});

scenario('open: terms that could lock the client\'s money are refused', async (world, make) => {
  const cases = [
    [{ challenge: 0 }, ERR.terms], [{ challenge: 1 }, 0],
    [{ challenge: MAX_CHALLENGE }, 0], [{ challenge: MAX_CHALLENGE + 1 }, ERR.terms],
    [{ openBefore: world.now + MAX_OPEN_WINDOW }, 0], [{ openBefore: world.now + MAX_OPEN_WINDOW + 1 }, ERR.terms],
  ];
  for (const [terms, code] of cases) {
    const channel = make(terms);
    const outcome = await channel.open(TON);
    assert.equal(outcome.exitCode, code, JSON.stringify(terms));
    assert.equal(channel.state().opened, code === 0);
    assert.equal(channel.balance, code === 0 ? TON - outcome.gasFees : 0n);
  }
});

scenario('open: again it is only a top-up, whoever sends it and whenever', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n));
  pastWindow(channel);
  const before = channel.balance;
  const outcome = await channel.open(TON, { from: STRANGER });
  assertAccepted(outcome);
  assert.deepEqual(channel.state(), { opened: true, claimed: 100n, closeAt: 0, expiresAt: 0 });
  assert.equal(channel.balance, before + TON - outcome.gasFees - outcome.rent);
});

scenario('top-up: an empty body and the operation both raise the balance and write nothing', async (world, make) => {
  const channel = await opened(make());
  for (const body of [undefined, simple(OP.topUp, 5n)]) {
    const [state, before] = [channel.state(), channel.balance];
    const outcome = await channel.send(body, { value: 3_000_000n });
    assert.equal(outcome.exitCode, 0);
    assert.equal(outcome.sent.length, 0);
    assert.deepEqual(channel.state(), state);
    assert.equal(channel.balance, before + 3_000_000n - outcome.gasFees);
  }
});

scenario('claim: pays the difference, once, and the sender pays the gas', async (world, make) => {
  const channel = await opened(make());
  for (const [total, due] of [[1_000n, 1_000n], [250_000_000n, 249_999_000n]]) {
    const before = channel.balance;
    const outcome = await channel.claim(total, { from: STRANGER });
    assertAccepted(outcome);
    assert.equal(channel.balance, before - due);
    assert.equal(channel.state().claimed, total);
    assert.equal(outcome.sent.length, 2);
    const [paid] = outcome.sentTo(channel.payout);
    assert.equal(paid.value, due);
    assert.deepEqual(readEvent(paid), { op: OP.paidOut, queryId: 0n, claimed: total });
    const [change] = outcome.sentTo(STRANGER);
    assert.equal(change.op, OP.excesses);
    assert.ok(change.value > 40_000_000n);
    await assertRefused(channel, ERR.staleTotal, () => channel.claim(total, { from: STRANGER }));
  }
});

scenario('claim: sent by the payout wallet, payment and change come in one message', async (world, make) => {
  const channel = await opened(make());
  const before = channel.balance;
  const outcome = await channel.claim(5_000_000n, { from: channel.payout });
  assertAccepted(outcome);
  assert.equal(outcome.sent.length, 1);
  assert.ok(outcome.sent[0].to.equals(channel.payout));
  assert.ok(outcome.sent[0].value > 5_000_000n + 40_000_000n);
  assert.deepEqual(readEvent(outcome.sent[0]), { op: OP.paidOut, queryId: 0n, claimed: 5_000_000n });
  assert.equal(channel.balance, before - 5_000_000n);
});

scenario('claim: refused before opening, for a stale total, a wrong signature and too little value', async (world, make) => {
  const channel = make();
  await channel.topUp(TON, { init: channel.init });
  await assertRefused(channel, ERR.notOpen, () => channel.claim(1n));
  await opened(channel);
  assertAccepted(await channel.claim(500n));
  await assertRefused(channel, ERR.staleTotal, () => channel.claim(500n));
  await assertRefused(channel, ERR.staleTotal, () => channel.claim(499n));
  await assertRefused(channel, ERR.staleTotal, () => channel.claim(0n));
  await assertRefused(channel, ERR.signature, () => channel.claim(501n, { corrupt: true }));
  await assertRefused(channel, ERR.signature, () => channel.claim(501n, { signer: channel.providerKey }));
  await assertRefused(channel, ERR.signature, () => channel.claim(501n, { signer: keyFrom('nobody') }));
  await assertRefused(channel, ERR.lowValue, () => channel.claim(501n, { value: 9_999_999n }));
  assertAccepted(await channel.claim(501n, { value: 10_000_000n }));
});

scenario('claim: total and nonce are both under the signature', async (world, make) => {
  const channel = await opened(make());
  const { signature } = channel.voucher(100n, 7n);
  const body = (total, nonce) => beginCell().storeUint(OP.claim, 32).storeUint(0, 64).storeUint(total, 64).storeUint(nonce, 64)
    .storeBuffer(signature).storeMaybeRef(null).endCell();
  await assertRefused(channel, ERR.signature, () => channel.send(body(101n, 7n)));
  await assertRefused(channel, ERR.signature, () => channel.send(body(100n, 8n)));
  assertAccepted(await channel.send(body(100n, 7n)));
});

scenario('claim: the nonce does not have to grow', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n, { nonce: 9n }));
  assertAccepted(await channel.claim(200n, { nonce: 0n }));
});

scenario('claim: a deposit too small pays in part, keeps the reserve, and the same voucher gets the rest after a top-up', async (world, make) => {
  const channel = await opened(make(), 100_000_000n);
  const spendable = channel.balance - RESERVE;
  const partial = await channel.claim(500_000_000n);
  assertAccepted(partial);
  assert.equal(partial.sentTo(channel.payout)[0].value, spendable);
  assert.equal(channel.balance, RESERVE);
  assert.equal(channel.state().claimed, spendable);
  await assertRefused(channel, ERR.noFunds, () => channel.claim(500_000_000n));
  await channel.topUp(TON);
  const rest = await channel.claim(500_000_000n);
  assertAccepted(rest);
  assert.equal(rest.sentTo(channel.payout)[0].value, 500_000_000n - spendable);
  assert.equal(channel.state().claimed, 500_000_000n);
});

scenario('claim: the attached value is not spendable deposit', async (world, make) => {
  const channel = await opened(make(), 5_000_000n);
  await assertRefused(channel, ERR.noFunds, () => channel.claim(TON, { value: TON }));
});

scenario('claim: rent comes out of the reserve, never out of what is already owed to the books', async (world, make) => {
  const channel = await opened(make(), 100_000_000n);
  world.advance(300 * 86_400);
  const before = channel.balance;
  const outcome = await channel.claim(TON);
  assertAccepted(outcome);
  assert.ok(outcome.rent > 1_000_000n);
  assert.equal(outcome.sentTo(channel.payout)[0].value, before - outcome.rent - RESERVE);
  assert.equal(channel.balance, RESERVE);
});

scenario('grant: a session key pays up to its cap and no further', async (world, make) => {
  const channel = await opened(make());
  const grant = { cap: 1_000n };
  assertAccepted(await channel.claim(400n, { grant }));
  assertAccepted(await channel.claim(1_000n, { grant }));
  await assertRefused(channel, ERR.grantCap, () => channel.claim(1_001n, { grant }));
  assertAccepted(await channel.claim(1_001n));
});

scenario('grant: forged, for another channel, with a raised cap or with the wrong signer, it is refused', async (world, make) => {
  const channel = await opened(make());
  const twin = make({ salt: 2n });
  const refusals = [
    { grant: { cap: 1_000n }, grantSigner: channel.sessionKey },
    { grant: { cap: 1_000n }, grantSigner: channel.providerKey },
    { grant: { cap: 1_000n }, grantChannel: twin.address },
    { grant: { cap: 1_000n, signedCap: 10n } },
    { grant: { cap: 1_000n }, signer: channel.payKey },
    { signer: channel.sessionKey },
  ];
  for (const options of refusals) await assertRefused(channel, ERR.signature, () => channel.claim(500n, options));
});

scenario('claim: goes on while closing and until the account is gone', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n));
  assertAccepted(await channel.startClose());
  assertAccepted(await channel.claim(200n));
  world.advanceTo(channel.state().closeAt + 1_000);
  assertAccepted(await channel.claim(300n));
  assert.equal(channel.state().claimed, 300n);
  assert.ok(channel.state().closeAt > 0);
});

scenario('start_close: sets the time and tells the payout account, with the change', async (world, make) => {
  const channel = await opened(make({ challenge: 4_000 }));
  const before = channel.balance;
  const closeAt = world.now + 4_000;
  const outcome = await channel.startClose();
  assertAccepted(outcome);
  assert.equal(channel.state().closeAt, closeAt);
  assert.equal(outcome.sent.length, 1);
  assert.ok(outcome.sent[0].to.equals(channel.payout));
  assert.deepEqual(readEvent(outcome.sent[0]), { op: OP.closing, queryId: 0n, closeAt });
  assert.ok(outcome.sent[0].value > 40_000_000n);
  assert.equal(channel.balance, before);
});

scenario('start_close: only the client, only once, only when open, only with gas money', async (world, make) => {
  const channel = make();
  await channel.topUp(TON, { init: channel.init });
  await assertRefused(channel, ERR.notOpen, () => channel.startClose());
  await opened(channel);
  await assertRefused(channel, ERR.notClient, () => channel.startClose({ from: STRANGER }));
  await assertRefused(channel, ERR.notClient, () => channel.startClose({ from: channel.payout }));
  await assertRefused(channel, ERR.lowValue, () => channel.startClose({ value: 9_999_999n }));
  assertAccepted(await channel.startClose({ value: 10_000_000n }));
  const { closeAt } = channel.state();
  world.advance(60);
  await assertRefused(channel, ERR.closing, () => channel.startClose());
  assert.equal(channel.state().closeAt, closeAt);
});

scenario('finish_close: after the challenge anybody sends all of it to the client', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n));
  assertAccepted(await channel.startClose());
  await assertRefused(channel, ERR.openWindow, () => channel.finishClose());
  const { closeAt } = channel.state();
  world.advanceTo(closeAt - 1);
  await assertRefused(channel, ERR.notDue, () => channel.finishClose());
  world.advanceTo(closeAt);
  await assertRefused(channel, ERR.lowValue, () => channel.finishClose({ value: 9_999_999n }));
  const before = channel.balance;
  const outcome = await channel.finishClose({ from: STRANGER, value: 10_000_000n });
  assertAccepted(outcome);
  assert.equal(outcome.sent.length, 1);
  const [refund] = outcome.sentTo(channel.client);
  assert.deepEqual(readEvent(refund), { op: OP.refunded, queryId: 0n, claimed: 100n });
  const fees = outcome.rent + outcome.gasFees;
  assert.ok(refund.value > before + 10_000_000n - fees - 1_000_000n && refund.value <= before + 10_000_000n - fees);
  assert.equal(world.account(channel.address).exists, false);
});

scenario('finish_close: inside the opening window nothing closes, however short the challenge', async (world, make) => {
  const channel = await opened(make({ challenge: 1, openBefore: world.now + 1_000 }));
  assertAccepted(await channel.startClose());
  world.advanceTo(channel.openBefore);
  await assertRefused(channel, ERR.openWindow, () => channel.finishClose());
  world.advance(1);
  assertAccepted(await channel.finishClose());
});

scenario('finish_close: not before anybody asked for it', async (world, make) => {
  const channel = await opened(make());
  world.advance(365 * 86_400);
  await assertRefused(channel, ERR.notDue, () => channel.finishClose());
});

scenario('finish_close: an expired channel needs no start_close', async (world, make) => {
  const channel = await opened(make({ expiresAt: world.now + 5_000 }));
  world.advanceTo(channel.expiresAt - 1);
  await assertRefused(channel, ERR.notDue, () => channel.finishClose());
  world.advanceTo(channel.expiresAt);
  assertAccepted(await channel.finishClose());
  assert.equal(channel.state(), null);
});

scenario('finish_close: a channel that was deployed and never opened is refunded after the window', async (world, make) => {
  const channel = make();
  await channel.topUp(TON, { from: channel.client, init: channel.init });
  world.advanceTo(channel.openBefore);
  await assertRefused(channel, ERR.openWindow, () => channel.finishClose());
  world.advance(1);
  const outcome = await channel.finishClose();
  assertAccepted(outcome);
  assert.ok(outcome.sentTo(channel.client)[0].value > TON);
  assert.equal(channel.state(), null);
});

scenario('finish_close: a masterchain twin is refunded too', async (world, make) => {
  const twin = make({ workchain: -1 });
  assertAccepted(await twin.topUp(10n * TON, { from: twin.client, init: twin.init }));
  pastWindow(twin);
  const outcome = await twin.finishClose({ value: TON });
  assertAccepted(outcome);
  assert.ok(outcome.sentTo(twin.client)[0].value > 10n * TON);
});

scenario('reopening: an address that has closed never opens again and honours no old voucher', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n));
  assertAccepted(await channel.startClose());
  world.advanceTo(channel.state().closeAt);
  assertAccepted(await channel.finishClose());
  const outcome = await channel.open(TON);
  assert.equal(outcome.exitCode, ERR.openWindow);
  await channel.topUp(TON, { init: channel.init });
  await assertRefused(channel, ERR.notOpen, () => channel.claim(100n));
  await assertRefused(channel, ERR.notOpen, () => channel.coopClose(100n));
  assertAccepted(await channel.finishClose());
});

scenario('coop_close: the voucher\'s due to the provider, the rest to the client, at once', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n));
  pastWindow(channel);
  const before = channel.balance;
  const outcome = await channel.coopClose(5_000_100n);
  assertAccepted(outcome);
  const [paid] = outcome.sentTo(channel.payout);
  const [refund] = outcome.sentTo(channel.client);
  assert.equal(outcome.sent.length, 2);
  assert.equal(paid.value, 5_000_000n);
  assert.deepEqual(readEvent(paid), { op: OP.paidOut, queryId: 0n, claimed: 5_000_100n });
  assert.deepEqual(readEvent(refund), { op: OP.refunded, queryId: 0n, claimed: 5_000_100n });
  assert.ok(refund.value > before - 5_000_000n + 45_000_000n);
  assert.equal(channel.state(), null);
});

scenario('coop_close: with nothing due only the provider\'s word is needed', async (world, make) => {
  const channel = await opened(make());
  assertAccepted(await channel.claim(100n));
  pastWindow(channel);
  const outcome = await channel.coopClose(100n, { corrupt: true });
  assertAccepted(outcome);
  assert.equal(outcome.sent.length, 1);
  assert.deepEqual(readEvent(outcome.sentTo(channel.client)[0]), { op: OP.refunded, queryId: 0n, claimed: 100n });
  assert.equal(channel.state(), null);
});

scenario('coop_close: a session key\'s last voucher counts, within its cap', async (world, make) => {
  const channel = await opened(make());
  pastWindow(channel);
  await assertRefused(channel, ERR.grantCap, () => channel.coopClose(1_001n, { grant: { cap: 1_000n } }));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(1_000n, { grant: { cap: 1_000n }, grantSigner: channel.sessionKey }));
  const outcome = await channel.coopClose(1_000n, { grant: { cap: 1_000n } });
  assertAccepted(outcome);
  assert.equal(outcome.sentTo(channel.payout)[0].value, 1_000n);
});

scenario('coop_close: a due above the deposit takes the deposit with the reserve, and nothing of the sender\'s', async (world, make) => {
  const channel = await opened(make(), 100_000_000n);
  pastWindow(channel);
  const before = channel.balance;
  const outcome = await channel.coopClose(TON, { value: 50_000_000n });
  assertAccepted(outcome);
  assert.equal(outcome.sentTo(channel.payout)[0].value, before - outcome.rent);
  assert.ok(outcome.sentTo(channel.client)[0].value > 45_000_000n);
});

scenario('coop_close: every missing consent is refused', async (world, make) => {
  const channel = make();
  const twin = make({ salt: 2n });
  await channel.topUp(TON, { init: channel.init });
  await assertRefused(channel, ERR.notOpen, () => channel.coopClose(10n));
  await opened(channel);
  assertAccepted(await channel.claim(100n));
  await assertRefused(channel, ERR.openWindow, () => channel.coopClose(200n));
  world.advanceTo(channel.openBefore);
  await assertRefused(channel, ERR.openWindow, () => channel.coopClose(200n));
  pastWindow(channel);
  await assertRefused(channel, ERR.lowValue, () => channel.coopClose(200n, { value: 9_999_999n }));
  await assertRefused(channel, ERR.staleTotal, () => channel.coopClose(99n));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(200n, { ackSigner: channel.payKey }));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(200n, { ackTotal: 199n }));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(200n, { ackChannel: twin.address }));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(200n, { corrupt: true }));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(200n, { signer: channel.providerKey }));
  await assertRefused(channel, ERR.signature, () => channel.coopClose(200n, { forChannel: twin.address }));
  assertAccepted(await channel.coopClose(200n, { value: 10_000_000n, from: STRANGER }));
});

scenario('extend: only later, only by the client, only where there is an expiry', async (world, make) => {
  const channel = make({ expiresAt: world.now + 5_000 });
  await channel.topUp(TON, { init: channel.init });
  const later = channel.expiresAt + 1_000;
  await assertRefused(channel, ERR.notOpen, () => channel.extend(later));
  await opened(channel);
  await assertRefused(channel, ERR.notClient, () => channel.extend(later, { from: STRANGER }));
  await assertRefused(channel, ERR.lowValue, () => channel.extend(later, { value: 9_999_999n }));
  await assertRefused(channel, ERR.expiry, () => channel.extend(channel.expiresAt));
  await assertRefused(channel, ERR.expiry, () => channel.extend(channel.expiresAt - 1));
  await assertRefused(channel, ERR.expiry, () => channel.extend(0));
  const before = channel.balance;
  const outcome = await channel.extend(later, { value: 10_000_000n });
  assertAccepted(outcome);
  assert.equal(channel.balance, before);
  assert.equal(outcome.sent.length, 1);
  assert.equal(outcome.sentTo(channel.client)[0].op, OP.excesses);
  assert.equal(channel.state().expiresAt, later);
  world.advanceTo(channel.expiresAt);
  await assertRefused(channel, ERR.notDue, () => channel.finishClose());
  world.advanceTo(later);
  assertAccepted(await channel.finishClose());

  const endless = await opened(make({ salt: 2n, openBefore: world.now + 600 }));
  await assertRefused(endless, ERR.expiry, () => endless.extend(world.now + 1_000));
});

scenario('isolation: nothing signed for one channel works on another, on another network or in the masterchain', async (world, make) => {
  const channel = await opened(make());
  for (const twin of [make({ salt: 2n }), make({ globalId: -239 }), make({ challenge: 3_601 })]) {
    await assertRefused(channel, ERR.signature, () => channel.claim(100n, { forChannel: twin.address }));
    await assertRefused(channel, ERR.signature, () => channel.claim(100n, { grant: { cap: 500n }, forChannel: twin.address }));
  }
  const masterchain = make({ workchain: -1 });
  assert.deepEqual(masterchain.address.hash, channel.address.hash);
  await masterchain.topUp(10n * TON, { init: masterchain.init });
  const outcome = await masterchain.claim(100n, { value: TON });
  assert.equal(outcome.exitCode, ERR.notOpen);
});

scenario('messages: what no operation has is refused and comes back', async (world, make) => {
  const channel = await opened(make());
  const comment = beginCell().storeUint(0, 32).storeStringTail('top-up').endCell();
  for (const body of [comment, simple(0x3d1c0008), simple(0x3d1c0011), simple(OP.excesses)]) {
    await assertRefused(channel, ERR.wrongOp, () => channel.send(body));
  }
  const truncated = beginCell().storeUint(OP.claim, 32).storeUint(0, 64).endCell();
  await assertRefused(channel, 9, () => channel.send(truncated));
  const short = await channel.send(beginCell().storeUint(1, 8).endCell());
  assert.notEqual(short.exitCode, 0);
  // Tolk reads lazily and does not look behind the last field.
  assertAccepted(await channel.send(beginCell().storeSlice(channel.claimBody(10n).beginParse()).storeBit(true).endCell()));
});

scenario('messages: a refused one without bounce leaves its value as deposit and the state as it was', async (world, make) => {
  const channel = await opened(make());
  const [before, state] = [channel.balance, channel.state()];
  const outcome = await channel.claim(100n, { corrupt: true, bounce: false });
  assert.equal(outcome.exitCode, ERR.signature);
  assert.equal(channel.balance, before + 50_000_000n - outcome.gasFees);
  assert.deepEqual(channel.state(), state);
});

scenario('messages: the query id comes back in every answer', async (world, make) => {
  const channel = await opened(make({ expiresAt: world.now + 10_000 }));
  const withQuery = (body, queryId) => {
    const slice = body.beginParse();
    return beginCell().storeUint(slice.loadUint(32), 32).storeUint(queryId, 64).storeSlice(slice.skip(64)).endCell();
  };
  const answers = async (body, from) => (await channel.send(withQuery(body, 77n), { from })).sent.map((message) => readEvent(message).queryId);
  assert.deepEqual(await answers(channel.claimBody(10n), STRANGER), [77n, 77n]);
  assert.deepEqual(await answers(channel.claimBody(20n), channel.payout), [77n]);
  assert.deepEqual(await answers(beginCell().storeUint(OP.extend, 32).storeUint(0, 64).storeUint(channel.expiresAt + 1, 32).endCell(), channel.client), [77n]);
  assert.deepEqual(await answers(simple(OP.startClose), channel.client), [77n]);
  world.advance(20_000);
  assert.deepEqual(await answers(simple(OP.finishClose), STRANGER), [77n]);
});

scenario('get-methods: report the state, the spendable deposit and the terms', async (world, make) => {
  const channel = await opened(make({ expiresAt: world.now + 5_000 }));
  assertAccepted(await channel.claim(100n));
  const state = await world.get(channel.address, 'channel_state');
  assert.equal(state.exitCode, 0);
  assert.deepEqual(state.stack.map(({ value }) => value), [-1n, 100n, 0n, BigInt(channel.expiresAt), channel.balance - RESERVE]);
  const { stack: terms } = await world.get(channel.address, 'channel_terms');
  const integer = (bytes) => BigInt(`0x${bytes.toString('hex')}`);
  assert.equal(terms[0].value, integer(channel.payKey.publicKey));
  assert.ok(terms[1].cell.beginParse().loadAddress().equals(channel.payout));
  assert.ok(terms[2].cell.beginParse().loadAddress().equals(channel.client));
  assert.deepEqual(terms.slice(3).map(({ value }) => value),
    [integer(channel.providerKey.publicKey), 3_600n, BigInt(channel.openBefore), -777n, 1n]);
});

scenario('statements: the contract hashes them as a lone cell of those bytes', async (world, make) => {
  const channel = make();
  const voucher = beginCell().storeBuffer(Buffer.from('CVCH')).storeBuffer(channel.address.hash).storeUint(5, 64).storeUint(6, 64).endCell();
  assert.deepEqual(voucherDigest(channel.address, 5n, 6n), voucher.hash());
});
