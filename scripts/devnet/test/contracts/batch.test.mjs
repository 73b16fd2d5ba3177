import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginCell, external, internal, loadTransaction, Cell, storeMessage } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { WalletContractV5R1 } from '@ton/ton';
import { DEVNET_GLOBAL_ID, PRICE_SETS } from '../../lib/network.mjs';
import { readAccount } from '../../lib/account.mjs';
import { loadCode } from '../../lib/contracts.mjs';
import { hash32 } from '../support/bond.mjs';
import { ChannelFixture } from '../support/channel.mjs';
import { World } from '../support/world.mjs';

const TON = 1_000_000_000n;
const CLAIMS = 255;
const MAX_EXTERNAL_BYTES = 65_535;
const DUE = TON / 10n;

const supply = (world) => world.chain.save().accounts.reduce((sum, [, shardAccount]) => sum + readAccount(shardAccount).balance, 0n);

for (const prices of PRICE_SETS) {
  test(`Batch (${prices}): one external of a v5r1 wallet claims on ${CLAIMS} channels`, async (t) => {
    const world = await World.open(prices);
    t.after(() => world.close());
    const { publicKey, secretKey } = keyPairFromSeed(hash32('batch'));
    const wallet = WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: DEVNET_GLOBAL_ID } });
    await world.chain.mint(wallet.address, 50n * TON);
    const channels = [];
    for (let i = 0; i < CLAIMS; i++) {
      const channel = new ChannelFixture(world, { code: loadCode('Channel'), payout: wallet.address, salt: BigInt(i), openBefore: world.now + 60 });
      await channel.open(TON);
      channels.push(channel);
    }
    const before = supply(world);
    const body = wallet.createTransfer({
      seqno: 0, secretKey, sendMode: 3, timeout: world.now + 60,
      messages: channels.map((channel) => internal({ to: channel.address, value: TON / 50n, body: channel.claimBody(DUE) })),
    });
    const boc = beginCell().store(storeMessage(external({ to: wallet.address, init: wallet.init, body }))).endCell().toBoc({ idx: false });
    assert.ok(boc.length <= MAX_EXTERNAL_BYTES, `${boc.length} bytes`);
    await world.chain.submit(boc);
    const { transactions } = world.chain.block(world.chain.seqno);
    assert.equal(transactions.length, 1 + 2 * CLAIMS);
    for (const { boc: raw } of transactions) assert.equal(loadTransaction(Cell.fromBase64(raw).beginParse()).description.aborted, false);
    for (const channel of channels) assert.equal(channel.state().claimed, DUE);
    const perClaim = Number(before - supply(world)) / CLAIMS / 1e9;
    t.diagnostic(`${boc.length} bytes, ${transactions.length} transactions, ${perClaim.toFixed(5)} TON per claim`);
  });
}
