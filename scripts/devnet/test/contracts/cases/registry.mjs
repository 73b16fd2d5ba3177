import assert from 'node:assert/strict';
import { beginCell } from '@ton/core';
import { assertAccepted, assertRefused } from '../../support/assertions.mjs';
import { hash32 } from '../../support/bond.mjs';
import { APPLY_WINDOW, ERR, OP, REVOKED, RegistryFixture, TIMELOCK, change, codes, netParams } from '../../support/registry.mjs';
import { party } from '../../support/world.mjs';

const STRANGER = party('stranger');
const HASH = hash32('measured');
const HEX = HASH.toString('hex');

export const registryCases = [];

function scenario(name, run) {
  registryCases.push({
    name,
    async run(world, code) {
      const registry = new RegistryFixture(world, { code });
      await registry.deploy();
      await run(world, registry);
    },
  });
}

/** Proposes, waits out the time lock, applies. */
async function putInForce(registry, cell) {
  const id = registry.state().nextId;
  assertAccepted(await registry.propose(cell));
  registry.world.advance(TIMELOCK);
  assertAccepted(await registry.apply(id));
}

function assertBalanceKept(registry, outcome, before) {
  assertAccepted(outcome);
  assert.equal(registry.balance, before - outcome.rent);
  assert.equal(outcome.sent.length, 1);
  assert.equal(outcome.sent[0].op, OP.excesses);
  assert.ok(outcome.sent[0].to.equals(outcome.first.inMessage.info.src));
}

scenario('propose: waits in public with its time, and changes nothing yet', async (world, registry) => {
  const before = registry.state();
  const cell = change.putMeasurement(HASH);
  assertBalanceKept(registry, await registry.propose(cell, { value: 20_000_000n }), registry.balance);
  assert.deepEqual(registry.state(), {
    ...before, nextId: 1, pending: { 0: { eta: world.now + TIMELOCK, change: cell.hash().toString('hex') } },
  });
  assertAccepted(await registry.propose(cell));
  assert.deepEqual(Object.keys(registry.state().pending), ['0', '1']);
});

scenario('propose: only the admin, only with gas money', async (world, registry) => {
  await assertRefused(registry, ERR.notAdmin, () => registry.propose(change.putMeasurement(HASH), { from: STRANGER }));
  await assertRefused(registry, ERR.lowValue, () => registry.propose(change.putMeasurement(HASH), { value: 19_999_999n }));
});

scenario('propose: what could never be applied is refused at once', async (world, registry) => {
  const bit = beginCell().storeBit(true).endCell();
  for (const put of [change.putMeasurement, change.putModel]) {
    await assertRefused(registry, ERR.reservedFlag, () => registry.propose(put(HASH, { flags: REVOKED })));
    await assertRefused(registry, ERR.reservedFlag, () => registry.propose(put(HASH, { flags: REVOKED | 1 })));
    assertAccepted(await registry.propose(put(HASH, { flags: REVOKED - 1 })));
  }
  const broken = [
    beginCell().storeUint(9, 8).endCell(), beginCell().storeUint(0, 8).endCell(), bit,
    beginCell().storeUint(1, 8).storeBuffer(HASH).endCell(), beginCell().storeSlice(change.delModel(HASH).beginParse()).storeBit(true).endCell(),
    beginCell().storeUint(7, 8).storeUint(0, 2).endCell(), change.params(bit), change.codes(bit),
  ];
  for (const cell of broken) {
    const [state, balance] = [registry.state(), registry.balance];
    const outcome = await registry.propose(cell);
    assert.ok([9, 63].includes(outcome.exitCode), `exit code ${outcome.exitCode}`);
    assert.deepEqual(registry.state(), state);
    assert.equal(registry.balance, balance);
  }
});

scenario('apply: anybody, not before the time lock, not later than a week after it, once', async (world, registry) => {
  assertAccepted(await registry.propose(change.putMeasurement(HASH, { flags: 5 })));
  assertAccepted(await registry.propose(change.putModel(HASH)));
  await assertRefused(registry, ERR.noProposal, () => registry.apply(2));
  world.advance(TIMELOCK - 1);
  await assertRefused(registry, ERR.timeLock, () => registry.apply(0));
  world.advance(1);
  await assertRefused(registry, ERR.lowValue, () => registry.apply(0, { value: 19_999_999n }));
  assertBalanceKept(registry, await registry.apply(0, { from: STRANGER, value: 20_000_000n }), registry.balance);
  await assertRefused(registry, ERR.noProposal, () => registry.apply(0));
  const state = registry.state();
  assert.deepEqual([state.version, Object.keys(state.pending)], [1, ['1']]);
  assert.deepEqual(state.measurements, { [HEX]: { addedAt: world.now, flags: 5, metaHash: hash32('meta').toString('hex') } });
  assert.deepEqual(state.models, {});
  world.advance(APPLY_WINDOW + 1);
  await assertRefused(registry, ERR.proposalExpired, () => registry.apply(1));
});

scenario('apply: the last second of the week still counts', async (world, registry) => {
  assertAccepted(await registry.propose(change.putModel(HASH)));
  world.advance(TIMELOCK + APPLY_WINDOW);
  assertAccepted(await registry.apply(0));
  assert.deepEqual(Object.keys(registry.state().models), [HEX]);
});

scenario('apply: each kind of change does its own and nothing else', async (world, registry) => {
  const bootstrap = beginCell().storeStringTail('/ip4/192.0.2.1').endCell();
  const [params, newCodes] = [netParams({ minStake: 5n }), codes(bootstrap, bootstrap)];
  const steps = [
    [change.putMeasurement(HASH), (state) => ({ ...state, measurements: { [HEX]: { addedAt: world.now, flags: 1, metaHash: hash32('meta').toString('hex') } } })],
    [change.putModel(HASH), (state) => ({ ...state, models: { [HEX]: { addedAt: world.now, flags: 1, metaHash: hash32('meta').toString('hex') } } })],
    [change.delMeasurement(HASH), (state) => ({ ...state, measurements: {} })],
    [change.delModel(HASH), (state) => ({ ...state, models: {} })],
    [change.params(params), (state) => ({ ...state, params: params.hash().toString('hex') })],
    [change.codes(newCodes), (state) => ({ ...state, codes: newCodes.hash().toString('hex') })],
    [change.bootstrap(bootstrap), (state) => ({ ...state, bootstrap: bootstrap.hash().toString('hex') })],
    [change.delModel(HASH), (state) => state],
  ];
  for (const [cell, effect] of steps) {
    const before = registry.state();
    await putInForce(registry, cell);
    assert.deepEqual(registry.state(), { ...effect(before), version: before.version + 1, nextId: before.nextId + 1 });
  }
});

scenario('apply: a new admin takes over, and the old one has no say left', async (world, registry) => {
  const heir = party('heir');
  await putInForce(registry, change.admin(heir));
  await assertRefused(registry, ERR.notAdmin, () => registry.propose(change.delModel(HASH)));
  await assertRefused(registry, ERR.notAdmin, () => registry.revoke(HASH));
  assertAccepted(await registry.propose(change.delModel(HASH), { from: heir }));
  await assertRefused(registry, ERR.notAdmin, () => registry.cancel(1));
  assertAccepted(await registry.cancel(1, { from: heir }));
});

scenario('cancel: only the admin, only what is pending; versions do not move', async (world, registry) => {
  assertAccepted(await registry.propose(change.putMeasurement(HASH)));
  await assertRefused(registry, ERR.notAdmin, () => registry.cancel(0, { from: STRANGER }));
  await assertRefused(registry, ERR.noProposal, () => registry.cancel(1));
  await assertRefused(registry, ERR.lowValue, () => registry.cancel(0, { value: 19_999_999n }));
  assertBalanceKept(registry, await registry.cancel(0), registry.balance);
  await assertRefused(registry, ERR.noProposal, () => registry.cancel(0));
  world.advance(TIMELOCK);
  await assertRefused(registry, ERR.noProposal, () => registry.apply(0));
  assert.deepEqual([registry.state().version, registry.state().nextId], [0, 1]);
});

scenario('revoke: leaves a tombstone at once, and only the admin can', async (world, registry) => {
  await putInForce(registry, change.putMeasurement(HASH));
  await assertRefused(registry, ERR.notAdmin, () => registry.revoke(HASH, { from: STRANGER }));
  await assertRefused(registry, ERR.lowValue, () => registry.revoke(HASH, { value: 19_999_999n }));
  assertBalanceKept(registry, await registry.revoke(HASH), registry.balance);
  const grave = { addedAt: world.now, flags: REVOKED, metaHash: '00'.repeat(32) };
  assert.deepEqual([registry.state().measurements, registry.state().models, registry.state().version], [{ [HEX]: grave }, {}, 2]);
  assertAccepted(await registry.revoke(HASH, { isModel: true }));
  assert.deepEqual([registry.state().models, registry.state().version], [{ [HEX]: grave }, 3]);
});

scenario('revoke: also stops an addition that is already pending, until a time-locked removal of the tombstone', async (world, registry) => {
  for (const [put, del, isModel] of [[change.putMeasurement, change.delMeasurement, false], [change.putModel, change.delModel, true]]) {
    const list = () => registry.state()[isModel ? 'models' : 'measurements'];
    const id = registry.state().nextId;
    assertAccepted(await registry.propose(put(HASH)));
    assertAccepted(await registry.revoke(HASH, { isModel }));
    world.advance(TIMELOCK);
    await assertRefused(registry, ERR.revoked, () => registry.apply(id));
    await putInForce(registry, del(HASH));
    assert.deepEqual(list(), {});
    assertAccepted(await registry.apply(id));
    assert.equal(list()[HEX].flags, 1);
  }
});

scenario('revoke: a tombstone in one list is none in the other', async (world, registry) => {
  assertAccepted(await registry.revoke(HASH, { isModel: true }));
  await putInForce(registry, change.putMeasurement(HASH));
  assertAccepted(await registry.revoke(hash32('else')));
  await putInForce(registry, change.putModel(hash32('else')));
});

scenario('put: over a listed hash it replaces the entry', async (world, registry) => {
  await putInForce(registry, change.putMeasurement(HASH, { flags: 1 }));
  await putInForce(registry, change.putMeasurement(HASH, { flags: 2 }));
  assert.equal(registry.state().measurements[HEX].flags, 2);
});

scenario('messages: a plain transfer is rent; an unknown operation is refused', async (world, registry) => {
  const before = registry.balance;
  const outcome = await registry.send(undefined, { value: 30_000_000n, from: STRANGER });
  assert.equal(registry.balance, before + 30_000_000n - outcome.gasFees);
  for (const op of [0, 0x3d1e0005, OP.excesses]) {
    await assertRefused(registry, ERR.wrongOp, () => registry.send(beginCell().storeUint(op, 32).storeUint(0, 64).endCell()));
  }
});

scenario('get-methods: report state, parameters, codes and lists', async (world, registry) => {
  await putInForce(registry, change.putMeasurement(HASH, { flags: 6 }));
  assertAccepted(await registry.revoke(HASH, { isModel: true }));
  const get = async (method, stack) => {
    const { exitCode, stack: result } = await world.get(registry.address, method, stack);
    assert.equal(exitCode, 0);
    return result;
  };
  const hash = { type: 'int', value: BigInt(`0x${HEX}`) };
  const metaHash = BigInt(`0x${hash32('meta').toString('hex')}`);
  const addedAt = BigInt(registry.state().measurements[HEX].addedAt);
  assert.deepEqual((await get('registry_state')).slice(1).map(({ value }) => value), [2n, 1n, BigInt(TIMELOCK)]);
  assert.deepEqual((await get('net_params')).map(({ value }) => value), [0n, 604_800n, 3_600n, 86_400n, 1n, 1n]);
  assert.deepEqual((await get('codes')).map(({ cell }) => cell.hash()), codes().refs.map((cell) => cell.hash()));
  assert.deepEqual((await get('measurement', [hash])).map(({ value }) => value), [-1n, addedAt, 6n, metaHash]);
  assert.deepEqual((await get('model', [hash])).map(({ value }) => value), [-1n, BigInt(world.now), BigInt(REVOKED), 0n]);
  assert.deepEqual((await get('model', [{ type: 'int', value: 1n }])).map(({ value }) => value), [0n, 0n, 0n, 0n]);
  assert.deepEqual((await get('all_lists')).map(({ type }) => type), ['cell', 'cell', 'null']);
});
