import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Address, Cell, SendMode, beginCell, comment, contractAddress, internal, toNano } from '@ton/core';
import { WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { DEVNET_GLOBAL_ID } from '../lib/network.mjs';
import { compileTolk } from '../lib/tolk.mjs';
import { newKey, openNetwork } from './support/network.mjs';

const STRANGER = new Address(0, Buffer.alloc(32, 7));
const MODE = SendMode.PAY_GAS_SEPARATELY + SendMode.IGNORE_ERRORS;

function openWallet(version, publicKey) {
  return version === 'v4r2'
    ? WalletContractV4.create({ workchain: 0, publicKey })
    : WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: DEVNET_GLOBAL_ID } });
}

async function fundedWallet(network, version, amount = toNano(10)) {
  const { publicKey, secretKey } = newKey();
  const contract = openWallet(version, publicKey);
  await network.control('faucet', { address: contract.address.toString(), amount: amount.toString() });
  return { contract, wallet: network.client.open(contract), secretKey };
}

for (const version of ['v4r2', 'v5r1']) {
  test(`TonClient: ${version} deploys itself with its first transfer and sends several messages`, async (t) => {
    const network = await openNetwork(t);
    const { client } = network;
    const { contract, wallet, secretKey } = await fundedWallet(network, version);
    assert.equal(await client.isContractDeployed(contract.address), false);
    assert.equal(await wallet.getSeqno(), 0);

    await wallet.sendTransfer({
      seqno: 0, secretKey, sendMode: MODE,
      messages: [internal({ to: STRANGER, value: toNano(1), bounce: false, body: comment('first') })],
    });
    assert.equal(await wallet.getSeqno(), 1);
    assert.equal(await client.getBalance(STRANGER), toNano(1));

    await wallet.sendTransfer({
      seqno: 1, secretKey, sendMode: MODE,
      messages: [1, 2, 3].map((n) => internal({ to: STRANGER, value: toNano(n), bounce: false })),
    });
    assert.equal(await client.getBalance(STRANGER), toNano(7));

    const [last] = await client.getTransactions(contract.address, { limit: 1 });
    assert.equal(last.outMessagesCount, 3);
    assert.equal(last.description.computePhase.exitCode, 0);
  });

  test(`TonClient: ${version} replay, wrong seqno and expiry are refused with HTTP 500`, async (t) => {
    const network = await openNetwork(t);
    const { contract, wallet, secretKey } = await fundedWallet(network, version);
    const transfer = (seqno, timeout) => wallet.createTransfer({
      seqno, secretKey, sendMode: MODE, timeout,
      messages: [internal({ to: STRANGER, value: 1n, bounce: false })],
    });
    const now = (await network.control('status')).now;
    const first = transfer(0, now + 60);
    await wallet.send(first);

    const refused = (error) => error.response?.status === 500 && error.response.data.ok === false
      && /was not accepted/.test(error.response.data.error);
    await assert.rejects(wallet.send(first), refused);
    await assert.rejects(wallet.send(transfer(5, now + 60)), refused);
    await assert.rejects(wallet.send(transfer(1, now - 1)), refused);
    assert.equal(await wallet.getSeqno(), 1);
    assert.equal((await network.client.getTransactions(contract.address, { limit: 10 })).length, 2);
  });
}

test('TonClient: Tolk contract is deployed, changed by a message and read with every kind of argument', async (t) => {
  const network = await openNetwork(t);
  const { client } = network;
  const { wallet, secretKey } = await fundedWallet(network, 'v5r1');
  const { code } = await compileTolk(new URL('fixtures/counter.tolk', import.meta.url).pathname);
  const note = beginCell().storeStringTail('note').endCell();
  const init = { code, data: beginCell().storeInt(-5, 64).storeRef(note).endCell() };
  const address = contractAddress(0, init);

  await wallet.sendTransfer({
    seqno: 0, secretKey, sendMode: MODE,
    messages: [internal({ to: address, value: toNano('0.5'), init, body: beginCell().storeUint(0xc01, 32).storeInt(12, 64).endCell() })],
  });

  const state = await client.getContractState(address);
  assert.equal(state.state, 'active');
  assert.deepEqual(Cell.fromBoc(state.code)[0].hash(), code.hash());
  const run = async (name, args) => (await client.runMethod(address, name, args)).stack;
  assert.equal((await run('value')).readBigNumber(), 7n);
  assert.equal((await run('plus', [{ type: 'int', value: -10n }])).readBigNumber(), -3n);
  assert.equal((await run('bits', [{ type: 'slice', cell: note }])).readBigNumber(), 32n);
  assert.equal((await run('hash_of', [{ type: 'cell', cell: note }])).readBigNumber(), BigInt(`0x${note.hash().toString('hex')}`));
  const shapes = await run('shapes');
  assert.equal(shapes.readBigNumber(), -42n);
  assert.deepEqual(shapes.readCell().hash(), note.hash());
  assert.deepEqual(shapes.readCell().hash(), note.hash());
  const pair = shapes.readTuple();
  assert.deepEqual([pair.remaining, shapes.readCellOpt()], [2, null]);
  assert.equal((await client.runMethodWithError(address, 'fail')).exit_code, 345);
  assert.equal((await client.runMethodWithError(address, 'missing')).exit_code, 11);
  assert.equal((await client.runMethodWithError(STRANGER, 'value')).exit_code, -13);
});

test('TonClient: transactions page from newest to oldest without gaps or repeats', async (t) => {
  const network = await openNetwork(t);
  const { client } = network;
  const { contract, wallet, secretKey } = await fundedWallet(network, 'v5r1');
  for (let seqno = 0; seqno < 7; seqno++) {
    await wallet.sendTransfer({
      seqno, secretKey, sendMode: MODE,
      messages: [internal({ to: STRANGER, value: toNano('0.01'), bounce: false, body: comment(`${seqno}`) })],
    });
  }
  const all = await client.getTransactions(contract.address, { limit: 20 });
  assert.equal(all.length, 8);
  assert.ok(all.every((transaction, i) => i === 0 || transaction.lt < all[i - 1].lt));
  assert.ok(all.every((transaction, i) => i === 0 || transaction.hash().toString('hex') === all[i - 1].prevTransactionHash.toString(16).padStart(64, '0')));

  const paged = await client.getTransactions(contract.address, { limit: 3 });
  while (true) {
    const last = paged.at(-1);
    const page = await client.getTransactions(contract.address, { limit: 3, lt: last.lt.toString(), hash: last.hash().toString('base64') });
    if (page.length === 0) break;
    paged.push(...page);
  }
  assert.deepEqual(paged.map((transaction) => transaction.lt), all.map((transaction) => transaction.lt));

  const third = all[3];
  const found = await client.getTransaction(contract.address, third.lt.toString(), third.hash().toString('base64'));
  assert.equal(found.lt, third.lt);
  const bounded = await client.getTransactions(contract.address, { limit: 20, to_lt: third.lt.toString() });
  assert.equal(bounded.length, 3);

  const [sent] = third.outMessages.values();
  const received = await client.tryLocateResultTx(contract.address, STRANGER, sent.info.createdLt.toString());
  assert.equal(received.inMessage.info.createdLt, sent.info.createdLt);
  const source = await client.tryLocateSourceTx(contract.address, STRANGER, sent.info.createdLt.toString());
  assert.equal(source.lt, third.lt);
});

test('TonClient: blocks list what ran in them', async (t) => {
  const network = await openNetwork(t);
  const { client } = network;
  const { contract, wallet, secretKey } = await fundedWallet(network, 'v4r2');
  await wallet.sendTransfer({ seqno: 0, secretKey, sendMode: MODE, messages: [internal({ to: STRANGER, value: 1n, bounce: false })] });
  const { latestSeqno } = await client.getMasterchainInfo();
  const [shard] = await client.getWorkchainShards(latestSeqno);
  const listed = await client.getShardTransactions(0, shard.seqno, shard.shard);
  assert.deepEqual(listed.map(({ account }) => account.toRawString()), [contract.address.toRawString(), STRANGER.toRawString()]);
});

test('TonClient: a fee estimate is what the transfer then costs', async (t) => {
  const network = await openNetwork(t);
  const { client } = network;
  const { contract, wallet, secretKey } = await fundedWallet(network, 'v4r2');
  const body = await wallet.createTransfer({
    seqno: 0, secretKey, sendMode: MODE, messages: [internal({ to: STRANGER, value: toNano(1), bounce: false })],
  });
  const { source_fees: fees } = await client.estimateExternalMessageFee(contract.address, {
    body, initCode: contract.init.code, initData: contract.init.data, ignoreSignature: false,
  });
  const before = await client.getBalance(contract.address);
  await wallet.send(body);
  const spent = before - await client.getBalance(contract.address) - toNano(1);
  assert.equal(BigInt(fees.in_fwd_fee + fees.storage_fee + fees.gas_fee + fees.fwd_fee), spent);
});
