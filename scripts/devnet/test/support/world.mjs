import { createHash } from 'node:crypto';
import { Address, Cell, getMethodId } from '@ton/core';
import { Chain } from '../../lib/chain.mjs';
import { Clock } from '../../lib/clock.mjs';

const START_TIME = 1_800_000_000;
const pools = new Map();

/** An account without code: it can send and is credited, which is all that a party to a contract needs here. */
export function party(label, workchain = 0) {
  return new Address(workchain, createHash('sha256').update(`cocoon test party ${label}`).digest());
}

/** A chain at a fixed time in which messages come from nowhere, so that one test step is one message. */
export class World {
  constructor(chain, prices) {
    this.chain = chain;
    this.prices = prices;
  }

  /** Starting the virtual machine takes longer than most tests: worlds that were given back are used again. */
  static async open(prices = '2026') {
    const world = pools.get(prices)?.pop() ?? new World(await Chain.create({ prices, clock: new Clock(() => 0) }), prices);
    world.reset();
    return world;
  }

  /** Empties the chain and sets its clock back. */
  reset() {
    this.initial ??= this.chain.save();
    this.chain.load({ ...this.initial, clock: { offset: 0, frozenAt: START_TIME, last: 0 }, utime: START_TIME });
  }

  close() {
    if (!pools.has(this.prices)) pools.set(this.prices, []);
    pools.get(this.prices).push(this);
  }

  get now() {
    return this.chain.clock.now();
  }

  advance(seconds) {
    this.chain.clock.advance(seconds);
  }

  advanceTo(time) {
    this.chain.clock.set(time);
  }

  account(address) {
    return this.chain.account(address);
  }

  async send({ from, to, value, body = Cell.EMPTY, init = null, bounce = true }) {
    const { parsed } = await this.chain.deliver({ src: from, dest: to, value, body, init, bounce });
    return new Outcome(parsed);
  }

  async get(address, method, stack = []) {
    return this.chain.runGetMethod(address, getMethodId(method), stack);
  }
}

/** What one message did: the transaction it caused and those that followed. */
export class Outcome {
  constructor(transactions) {
    this.transactions = transactions;
    this.first = transactions[0];
  }

  get exitCode() {
    const { computePhase } = this.first.description;
    return computePhase.type === 'vm' ? computePhase.exitCode : `skipped: ${computePhase.reason}`;
  }

  get accepted() {
    return this.exitCode === 0 && this.first.description.actionPhase?.success === true;
  }

  get gas() {
    return Number(this.first.description.computePhase.gasUsed);
  }

  get gasFees() {
    const { computePhase } = this.first.description;
    return computePhase.type === 'vm' ? computePhase.gasFees : 0n;
  }

  get rent() {
    return this.first.description.storagePhase.storageFeesCollected;
  }

  get dueCollected() {
    return this.first.description.creditPhase?.dueFeesCollected ?? 0n;
  }

  /** Messages that the contract itself sent, in order. */
  get sent() {
    return this.first.outMessages.values().map(({ info, body }) => ({
      to: info.dest, value: info.value.coins, bounce: info.bounce, bounced: info.bounced, forwardFee: info.forwardFee, body,
      op: body.bits.length >= 32 ? body.beginParse().preloadUint(32) : undefined,
    }));
  }

  sentTo(address) {
    return this.sent.filter(({ to }) => to.equals(address));
  }
}
