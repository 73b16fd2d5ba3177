import assert from 'node:assert/strict';
import { Address, beginCell } from '@ton/core';
import { assertAccepted, assertRefused } from '../../support/assertions.mjs';
import { BondFixture, ERR, OP, UNBOND_PERIOD, hash32, simple } from '../../support/bond.mjs';
import { keyFrom } from '../../support/keys.mjs';
import { party } from '../../support/world.mjs';

const TON = 1_000_000_000n;
const STRANGER = party('stranger');
const NOBODY = new Address(0, Buffer.alloc(32));
const A = { digest: hash32('a') };
const B = { digest: hash32('b') };

export const bondCases = [];

function scenario(name, run) {
  bondCases.push({ name, run: (world, code) => run(world, (options) => new BondFixture(world, { code, ...options })) });
}

async function deployed(bond, stake = 10n * TON) {
  assert.equal((await bond.deploy(stake)).exitCode, 0);
  return bond;
}

/** The change came back and the stake is what it was. */
function assertStakeKept(bond, outcome, before) {
  assertAccepted(outcome);
  assert.equal(bond.balance, before - outcome.rent);
  assert.equal(outcome.sent.length, 1);
  assert.equal(outcome.sent[0].op, OP.excesses);
  assert.ok(outcome.sent[0].to.equals(outcome.first.inMessage.info.src));
}

scenario('stake: is the balance, and anybody may add to it', async (world, make) => {
  const bond = await deployed(make());
  const before = bond.balance;
  assert.equal((await bond.send(undefined, { from: STRANGER, value: TON })).sent.length, 0);
  assert.equal((await bond.operate('addStake', { from: STRANGER, value: TON })).sent.length, 0);
  assert.ok(bond.balance > before + 2n * TON - 1_000_000n);
  assert.deepEqual(bond.state(), { unlockAt: 0, slashed: false, metaSeq: 0, metaHash: '00'.repeat(32) });
});

scenario('publish: only the owner, only a later sequence, only with gas money', async (world, make) => {
  const bond = await deployed(make());
  const before = bond.balance;
  assertStakeKept(bond, await bond.publish(5, hash32('profile'), { value: 10_000_000n }), before);
  assert.deepEqual([bond.state().metaSeq, bond.state().metaHash], [5, hash32('profile').toString('hex')]);
  await assertRefused(bond, ERR.sequence, () => bond.publish(5, hash32('other')));
  await assertRefused(bond, ERR.sequence, () => bond.publish(4, hash32('other')));
  await assertRefused(bond, ERR.notOwner, () => bond.publish(6, hash32('other'), { from: STRANGER }));
  await assertRefused(bond, ERR.lowValue, () => bond.publish(6, hash32('other'), { value: 9_999_999n }));
  assertStakeKept(bond, await bond.publish(6, hash32('other')), bond.balance);
});

scenario('unbond and rebond: only the owner, only from the other state', async (world, make) => {
  const bond = await deployed(make());
  await assertRefused(bond, ERR.state, () => bond.operate('rebond'));
  await assertRefused(bond, ERR.notOwner, () => bond.operate('unbond', { from: STRANGER }));
  await assertRefused(bond, ERR.lowValue, () => bond.operate('unbond', { value: 9_999_999n }));
  assertStakeKept(bond, await bond.operate('unbond', { value: 10_000_000n }), bond.balance);
  assert.equal(bond.state().unlockAt, world.now + UNBOND_PERIOD);
  world.advance(100);
  await assertRefused(bond, ERR.state, () => bond.operate('unbond'));
  await assertRefused(bond, ERR.notOwner, () => bond.operate('rebond', { from: STRANGER }));
  await assertRefused(bond, ERR.lowValue, () => bond.operate('rebond', { value: 9_999_999n }));
  assertStakeKept(bond, await bond.operate('rebond', { value: 10_000_000n }), bond.balance);
  assert.equal(bond.state().unlockAt, 0);
});

scenario('withdraw: the whole stake to the owner, not before the delay has passed', async (world, make) => {
  const bond = await deployed(make());
  await assertRefused(bond, ERR.stillBonded, () => bond.operate('withdraw'));
  assertAccepted(await bond.operate('unbond'));
  world.advance(UNBOND_PERIOD - 1);
  await assertRefused(bond, ERR.stillBonded, () => bond.operate('withdraw'));
  world.advance(1);
  await assertRefused(bond, ERR.notOwner, () => bond.operate('withdraw', { from: STRANGER }));
  await assertRefused(bond, ERR.lowValue, () => bond.operate('withdraw', { value: 9_999_999n }));
  const before = bond.balance;
  const outcome = await bond.operate('withdraw', { value: 10_000_000n });
  assertAccepted(outcome);
  assert.equal(outcome.sent.length, 1);
  const [paid] = outcome.sentTo(bond.owner);
  assert.equal(paid.op, OP.withdrawn);
  assert.ok(paid.value > before - outcome.rent);
  assert.equal(bond.state(), null);
});

scenario('slash: two digests for one slot halve the stake between nobody and the reporter', async (world, make) => {
  const bond = await deployed(make());
  const before = bond.balance;
  const outcome = await bond.slash(A, B);
  assertAccepted(outcome);
  assert.equal(outcome.sent.length, 2);
  const [burned] = outcome.sentTo(NOBODY);
  const [reward] = outcome.sentTo(party('reporter'));
  assert.equal(burned.value, before / 2n);
  assert.equal(reward.op, OP.slashPaid);
  assert.ok(reward.value > before / 2n);
  assert.equal(bond.balance, 0n);
  assert.deepEqual([bond.state().slashed, bond.state().unlockAt], [true, world.now + 1]);
});

scenario('slash: the value that the reporter attached is not burned', async (world, make) => {
  const bond = await deployed(make(), TON);
  const before = bond.balance;
  const outcome = await bond.slash(A, B, { value: 5n * TON });
  assert.equal(outcome.sentTo(NOBODY)[0].value, before / 2n);
  assert.ok(outcome.sentTo(party('reporter'))[0].value > 5n * TON);
});

scenario('slash: also while unbonding, and once', async (world, make) => {
  const bond = await deployed(make());
  assertAccepted(await bond.operate('unbond'));
  world.advance(1_000);
  assertAccepted(await bond.slash(A, B));
  await bond.send(undefined, { value: TON });
  await assertRefused(bond, ERR.state, () => bond.slash(A, B));
  await assertRefused(bond, ERR.state, () => bond.operate('rebond'));
  await assertRefused(bond, ERR.state, () => bond.operate('unbond'));
  world.advance(1);
  const outcome = await bond.operate('withdraw');
  assertAccepted(outcome);
  assert.ok(outcome.sentTo(bond.owner)[0].value > 900_000_000n);
  assert.equal(bond.state(), null);
});

scenario('slash: what is no equivocation of this node is refused', async (world, make) => {
  const bond = await deployed(make());
  const twin = make({ salt: 1 });
  const stranger = keyFrom('stranger node');
  await assertRefused(bond, ERR.sameDigest, () => bond.slash(A, A));
  await assertRefused(bond, ERR.statement, () => bond.slash({ ...A, signer: stranger }, B));
  await assertRefused(bond, ERR.statement, () => bond.slash(A, { ...B, signer: stranger }));
  await assertRefused(bond, ERR.statement, () => bond.slash({ ...A, signedKind: 2 }, B));
  await assertRefused(bond, ERR.statement, () => bond.slash(A, { ...B, signedKind: 2 }));
  await assertRefused(bond, ERR.statement, () => bond.slash({ ...A, signedSlot: hash32('elsewhere') }, B));
  await assertRefused(bond, ERR.statement, () => bond.slash(A, { ...B, signedSlot: hash32('elsewhere') }));
  await assertRefused(bond, ERR.statement, () => bond.slash({ ...A, signedBond: twin.address }, B));
  await assertRefused(bond, ERR.statement, () => bond.slash(A, { ...B, signedBond: twin.address }));
  await assertRefused(bond, ERR.lowValue, () => bond.slash(A, B, { value: 9_999_999n }));
  assertAccepted(await bond.slash(A, B, { value: 10_000_000n, kind: 2 }));
});

scenario('messages: an unknown operation is refused', async (world, make) => {
  const bond = await deployed(make());
  const comment = beginCell().storeUint(0, 32).storeStringTail('stake').endCell();
  for (const body of [comment, simple(0x3d1d0007), simple(OP.withdrawn)]) await assertRefused(bond, ERR.wrongOp, () => bond.send(body));
});

scenario('get-methods: report the bond and its parameters', async (world, make) => {
  const bond = await deployed(make({ salt: 9 }));
  assertAccepted(await bond.publish(3, hash32('profile')));
  const { stack: state } = await world.get(bond.address, 'bond_state');
  assert.ok(state[0].cell.beginParse().loadAddress().equals(bond.owner));
  assert.deepEqual(state.slice(1).map(({ value }) => value), [
    BigInt(`0x${bond.nodeKey.publicKey.toString('hex')}`), 0n, 0n, 3n, BigInt(`0x${hash32('profile').toString('hex')}`), bond.balance,
  ]);
  const { stack: params } = await world.get(bond.address, 'bond_params');
  assert.ok(params[0].cell.beginParse().loadAddress().equals(party('registry')));
  assert.deepEqual(params.slice(1).map(({ value }) => value), [BigInt(UNBOND_PERIOD), 9n, -777n]);
});
