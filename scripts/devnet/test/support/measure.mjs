import { Cell, beginCell, external, internal, loadTransaction, storeMessage } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { readAccount } from '../../lib/account.mjs';
import { CONTRACT_NAMES, loadCode } from '../../lib/contracts.mjs';
import { DEVNET_GLOBAL_ID, PRICE_SETS } from '../../lib/network.mjs';
import { BondFixture, UNBOND_PERIOD, hash32 } from './bond.mjs';
import { ChannelFixture } from './channel.mjs';
import { RegistryFixture, TIMELOCK, change } from './registry.mjs';
import { Outcome, World, party } from './world.mjs';

const TON = 1_000_000_000n;
const FUNDS = 1_000n * TON;

/** A real wallet: its own transaction is part of what an operation costs. */
class Purse {
  seqno = 0;

  constructor(chain, label, create) {
    this.chain = chain;
    const { publicKey, secretKey } = keyPairFromSeed(hash32(`purse ${label}`));
    this.secretKey = secretKey;
    this.contract = create(publicKey);
    this.address = this.contract.address;
  }

  static v5r1 = (publicKey) => WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: DEVNET_GLOBAL_ID } });
  static v4r2 = (publicKey) => WalletContractV4.create({ workchain: 0, publicKey });

  /** The first transfer deploys the wallet, which is no part of any measurement. */
  async prepare() {
    await this.chain.mint(this.address, FUNDS);
    await this.send({ to: this.address, value: 1n });
    return this;
  }

  async send({ to, value, body = Cell.EMPTY, init = null, bounce = true }) {
    const transfer = this.contract.createTransfer({
      seqno: this.seqno, secretKey: this.secretKey, sendMode: 3, timeout: this.chain.clock.now() + 60,
      messages: [internal({ to, value, body, init, bounce })],
    });
    const message = external({ to: this.address, init: this.seqno === 0 ? this.contract.init : null, body: transfer });
    await this.chain.submit(beginCell().store(storeMessage(message)).endCell().toBoc());
    this.seqno++;
    return this.chain.block(this.chain.seqno).transactions.map(({ boc }) => loadTransaction(Cell.fromBase64(boc).beginParse()));
  }
}

/** A world in which parties send from wallets, so that fixtures can be measured as they are tested. */
class PaidWorld extends World {
  purses = new Map();

  async purse(label, create = Purse.v5r1) {
    const purse = await new Purse(this.chain, label, create).prepare();
    this.purses.set(purse.address.toRawString(), purse);
    return purse;
  }

  get supply() {
    return this.chain.save().accounts.reduce((sum, [, shardAccount]) => sum + readAccount(shardAccount).balance, 0n);
  }

  async send({ from, ...message }) {
    const before = this.supply;
    const transactions = await this.purses.get(from.toRawString()).send(message);
    const outcome = new Outcome(transactions.slice(1));
    outcome.walletGas = Number(transactions[0].description.computePhase.gasUsed);
    outcome.fee = before - this.supply;
    return outcome;
  }
}

/** Runs every operation once on real wallets: `[{ name, gas, fee }]`, gas of our contract, fee of all there is. */
async function measureOperations(prices) {
  const base = await World.open(prices);
  const world = new PaidWorld(base.chain, prices);
  try {
    const rows = [];
    const note = (name, outcome, gas = outcome.gas) => rows.push({ name, gas, fee: outcome.fee });
    await measureChannel(world, note);
    await measureBond(world, note);
    for (const entries of [0, 20, 100]) await measureRegistry(world, note, entries);
    await measureWallets(world, note);
    return rows;
  } finally {
    base.close();
  }
}

async function measureChannel(world, note) {
  const client = await world.purse('client');
  const payout = await world.purse('payout');
  const other = await world.purse('other');
  let salt = 0n;
  const make = (terms = {}) => new ChannelFixture(world, { client: client.address, payout: payout.address, salt: ++salt, openBefore: world.now + 60, ...terms });
  const opened = async (terms) => {
    const channel = make(terms);
    return { channel, outcome: await channel.open(10n * TON) };
  };

  const { channel, outcome } = await opened({ expiresAt: world.now + 30 * 86_400 });
  note('Channel: deploy and open', outcome);
  note('Channel: top-up', await channel.topUp(TON, { from: client.address }));
  note('Channel: claim, sent by the payout wallet', await channel.claim(TON / 10n, { from: payout.address }));
  note('Channel: claim, sent by another wallet', await channel.claim(TON / 5n, { from: other.address }));
  note('Channel: claim with a session grant', await channel.claim(TON / 4n, { from: payout.address, grant: { cap: TON } }));
  note('Channel: claim refused, stale total', await channel.claim(TON / 4n, { from: payout.address }));
  note('Channel: claim refused, bad signature', await channel.claim(TON, { from: payout.address, corrupt: true }));
  note('Channel: extend', await channel.extend(channel.expiresAt + 1));
  note('Channel: start_close', await channel.startClose());
  world.advance(channel.challenge);
  note('Channel: finish_close', await channel.finishClose({ from: client.address }));

  const { channel: withVoucher } = await opened();
  const { channel: nothingDue } = await opened();
  await nothingDue.claim(TON, { from: payout.address });
  world.advance(61);
  note('Channel: coop_close with a final voucher', await withVoucher.coopClose(TON));
  note('Channel: coop_close, nothing due', await nothingDue.coopClose(TON));
}

async function measureBond(world, note) {
  const owner = await world.purse('owner');
  const reporter = await world.purse('reporter');
  const bond = new BondFixture(world, { salt: 1, owner: owner.address });
  const slashed = new BondFixture(world, { salt: 2, owner: owner.address });
  note('ProviderBond: deploy', await bond.deploy(10n * TON));
  note('ProviderBond: publish', await bond.publish(1, hash32('profile')));
  note('ProviderBond: unbond', await bond.operate('unbond'));
  note('ProviderBond: rebond', await bond.operate('rebond'));
  await bond.operate('unbond');
  world.advance(UNBOND_PERIOD);
  note('ProviderBond: withdraw', await bond.operate('withdraw'));
  await slashed.deploy(10n * TON);
  note('ProviderBond: slash', await slashed.slash({ digest: hash32('a') }, { digest: hash32('b') }, { from: reporter.address }));
}

async function measureRegistry(world, note, entries) {
  const admin = await world.purse(`admin ${entries}`);
  const anybody = await world.purse(`anybody ${entries}`);
  const registry = new RegistryFixture(world, { entries, admin: admin.address });
  const size = entries === 0 ? 'empty lists' : `${entries} measurements and models`;
  await registry.deploy(10n * TON);
  note(`Registry, ${size}: propose`, await registry.propose(change.putMeasurement(hash32('new'))));
  await registry.propose(change.delModel(hash32('new')));
  note(`Registry, ${size}: cancel`, await registry.cancel(1));
  world.advance(TIMELOCK);
  note(`Registry, ${size}: apply`, await registry.apply(0, { from: anybody.address }));
  note(`Registry, ${size}: revoke`, await registry.revoke(hash32('new')));
}

async function measureWallets(world, note) {
  for (const [name, create] of [['v4r2', Purse.v4r2], ['v5r1', Purse.v5r1]]) {
    const purse = await world.purse(name, create);
    await world.chain.mint(party('friend'), TON);
    const outcome = await world.send({ from: purse.address, to: party('friend'), value: TON, bounce: false });
    note(`Wallet ${name}: plain transfer`, outcome, outcome.walletGas);
  }
}

function codeSize(root) {
  const seen = new Map();
  const visit = (cell) => {
    const hash = cell.hash().toString('hex');
    if (seen.has(hash)) return;
    seen.set(hash, cell.bits.length);
    cell.refs.forEach(visit);
  };
  visit(root);
  return { cells: seen.size, bits: [...seen.values()].reduce((sum, bits) => sum + bits, 0) };
}

/** The table that is committed as `gas.json`: nanotons by price set. */
export async function measureAll() {
  const bySet = [];
  for (const prices of PRICE_SETS) bySet.push([prices, await measureOperations(prices)]);
  const [, first] = bySet[0];
  return {
    code: CONTRACT_NAMES.map((name) => ({ name, ...codeSize(loadCode(name)) })),
    operations: first.map(({ name, gas }, i) => ({
      name, gas, fees: Object.fromEntries(bySet.map(([prices, rows]) => [prices, Number(rows[i].fee)])),
    })),
  };
}
