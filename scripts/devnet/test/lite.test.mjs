import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Address, Cell, beginCell, external, internal, storeMessage, toNano } from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { ADNLClientTCP } from 'adnl';
import { LiteClient, LiteSingleEngine } from 'ton-lite-client';
import { startDevnet } from '../lib/devnet.mjs';
import { keyFrom } from './support/keys.mjs';

let devnet;
let engine;
let client;

before(async () => {
  devnet = await startDevnet({ litePort: 0 });
  const [{ id, port }] = JSON.parse(devnet.lite.config).liteservers;
  engine = new LiteSingleEngine({ host: `tcp://127.0.0.1:${port}`, publicKey: Buffer.from(id.key, 'base64') });
  client = new LiteClient({ engine });
  while (!engine.isReady()) await setTimeout(5);
});

after(async () => {
  engine.close();
  await devnet.close();
});

test('the ton-lite-client reads accounts, configuration and time', async () => {
  const address = new Address(0, Buffer.alloc(32, 7));
  await devnet.chain.mint(address, toNano('5'));
  const { last } = await client.getMasterchainInfo();
  assert.equal(last.workchain, -1);
  const { balance, state } = await client.getAccountState(address, last);
  assert.equal(balance.coins, toNano('5'));
  assert.equal(state.storage.state.type, 'uninit');
  const nobody = await client.getAccountState(new Address(0, Buffer.alloc(32, 8)), last);
  assert.equal(nobody.state, null);
  assert.ok((await client.getCurrentTime()) > 1_700_000_000);
  const found = await client.lookupBlockByID({ workchain: -1, shard: '-9223372036854775808', seqno: last.seqno });
  assert.deepEqual(found.id.rootHash, last.rootHash);
});

test('the ton-lite-client sends a message, follows its transaction and runs a get-method', async () => {
  const key = keyFrom('lite');
  const wallet = WalletContractV5R1.create({ publicKey: key.publicKey, walletId: { networkGlobalId: -777 } });
  await devnet.chain.mint(wallet.address, toNano('2'));
  const body = await wallet.createTransfer({
    seqno: 0, sendMode: 3, timeout: devnet.chain.clock.now() + 60,
    messages: [internal({ to: new Address(0, Buffer.alloc(32, 9)), value: toNano('1'), bounce: false })],
    signer: async (message) => key.sign(message.hash()),
  });
  const message = beginCell().store(storeMessage(external({ to: wallet.address, init: wallet.init, body }))).endCell();
  assert.equal((await client.sendMessage(message.toBoc())).status, 1);
  const { last } = await client.getMasterchainInfo();
  const account = await client.getAccountState(wallet.address, last);
  assert.ok(account.balance.coins < toNano('1'));
  const result = await client.runMethod(wallet.address, 'seqno', beginCell().storeUint(0, 24).endCell().toBoc(), last);
  assert.equal(result.exitCode, 0);
  const transactions = await client.getAccountTransactions(wallet.address, account.lastTx.lt.toString(), Buffer.from(account.lastTx.hash.toString(16).padStart(64, '0'), 'hex'), 10);
  assert.equal(Cell.fromBoc(transactions.transactions)[0].hash().toString('hex'), account.lastTx.hash.toString(16).padStart(64, '0'));
  await assert.rejects(client.sendMessage(message.toBoc()), /exitcode=133/);
});

test('a client that expects another key gets no answer', async () => {
  const stranger = new ADNLClientTCP(`tcp://127.0.0.1:${devnet.lite.port}`, keyFrom('another server').publicKey.toString('base64'));
  let ready = false;
  stranger.on('ready', () => { ready = true; });
  stranger.on('error', () => {});
  const closed = new Promise((resolve) => { stranger.on('close', resolve); });
  await stranger.connect();
  await closed;
  assert.equal(ready, false);
});
