import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Address, Cell, internal, toNano } from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { DEVNET_GLOBAL_ID } from '../lib/network.mjs';
import { newKey, openNetwork } from './support/network.mjs';

const STRANGER = new Address(0, Buffer.alloc(32, 9));

async function fundedWallet({ client, control }) {
  const { publicKey, secretKey } = newKey();
  const contract = WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: DEVNET_GLOBAL_ID } });
  await control('faucet', { address: contract.address.toString(), amount: toNano(10).toString() });
  const wallet = client.open(contract);
  const send = (seqno, value = 1n, timeout = undefined) => wallet.sendTransfer({
    seqno, secretKey, sendMode: 3, timeout, messages: [internal({ to: STRANGER, value, bounce: false })],
  });
  return { wallet, send };
}

test('Faucet: the money is there when the call returns', async (t) => {
  const { client, control } = await openNetwork(t, { blockMs: 60_000 });
  const { balance, transaction } = await control('faucet', { address: STRANGER.toString(), amount: '77' });
  assert.equal(balance, '77');
  assert.equal(await client.getBalance(STRANGER), 77n);
  assert.equal((await client.getTransactions(STRANGER, { limit: 1 }))[0].hash().toString('base64'), transaction.hash);
});

test('Time: advancing mines a block at the new time, and time never goes back', async (t) => {
  const { client, control, post } = await openNetwork(t);
  const before = await control('time', { freeze: true });
  const after = await control('time', { advance: 7 * 86_400 });
  assert.equal(after.now, before.now + 7 * 86_400);
  assert.equal(after.seqno, before.seqno + 1);
  assert.equal((await client.getContractState(STRANGER)).timestampt, after.now);
  assert.equal((await post('/devnet/time', { set: after.now - 1 })).status, 422);
  assert.equal((await control('time', { set: after.now + 5, freeze: false })).frozen, false);
});

test('Snapshot: restoring puts accounts, history, clock and blocks back, any number of times', async (t) => {
  const network = await openNetwork(t);
  const { client, control } = network;
  const { wallet, send } = await fundedWallet(network);
  await control('time', { freeze: true });
  const { id } = await control('snapshot');
  const saved = await control('status');
  for (let round = 0; round < 2; round++) {
    await send(0, toNano(1));
    await control('time', { advance: 100 });
    assert.equal(await client.getBalance(STRANGER), toNano(1));
    const restored = await control('restore', { id });
    assert.deepEqual(
      [restored.now, restored.seqno, restored.transactions, restored.accounts],
      [saved.now, saved.seqno, saved.transactions, saved.accounts]);
    assert.equal(await client.getBalance(STRANGER), 0n);
    assert.equal(await wallet.getSeqno(), 0);
  }
});

test('Queued blocks: a message waits for its block, is kept once, and of two with one seqno one wins', async (t) => {
  const network = await openNetwork(t, { blockMs: 60_000 });
  const { client, control } = network;
  const { wallet, send } = await fundedWallet(network);
  const { now } = await control('time', { freeze: true });
  await send(0, 5n, now + 60);
  await send(0, 5n, now + 60);
  assert.equal((await control('status')).pending, 1);
  await send(0, 6n, now + 60);
  assert.equal(await wallet.getSeqno(), 0);
  const mined = await control('mine');
  assert.deepEqual([mined.pending, mined.dropped], [0, 1]);
  assert.equal(await wallet.getSeqno(), 1);
  assert.equal(await client.getBalance(STRANGER), 5n);
});

test('Queued blocks: the producer mines on its own', async (t) => {
  const network = await openNetwork(t, { blockMs: 20 });
  const { wallet, send } = await fundedWallet(network);
  await send(0);
  const deadline = Date.now() + 10_000;
  while (await wallet.getSeqno() === 0) assert.ok(Date.now() < deadline, 'no block within 10 s');
});

test('Prices: both sets are in the configuration, and the network id is the devnet\'s', async (t) => {
  for (const [prices, lump] of [['2026', 66_667n], ['sandbox', 400_000n]]) {
    const { rpc } = await openNetwork(t, { prices });
    const parameter = async (id) => Cell.fromBase64((await rpc('getConfigParam', { config_id: id })).result.config.bytes).beginParse();
    const forward = await parameter(25);
    assert.equal(forward.loadUint(8), 0xea);
    assert.equal(forward.loadUintBig(64), lump);
    assert.equal((await parameter(19)).loadInt(32), DEVNET_GLOBAL_ID);
  }
});
