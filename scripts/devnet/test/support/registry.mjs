import { Cell, Dictionary, beginCell, contractAddress } from '@ton/core';
import { loadCode } from '../../lib/contracts.mjs';
import { hash32 } from './bond.mjs';
import { party } from './world.mjs';

export const OP = { propose: 0x3d1e0001, apply: 0x3d1e0002, cancel: 0x3d1e0003, revoke: 0x3d1e0004, excesses: 0xd53276db };

export const ERR = {
  lowValue: 209, notAdmin: 240, noProposal: 241, timeLock: 242, proposalExpired: 243, revoked: 244, reservedFlag: 245, wrongOp: 65_535,
};

export const TIMELOCK = 3 * 86_400;
export const APPLY_WINDOW = 7 * 86_400;
export const REVOKED = 0x8000;

const infoValue = {
  serialize: ({ addedAt, flags, metaHash }, builder) => builder.storeUint(addedAt, 32).storeUint(flags, 16).storeBuffer(metaHash),
  parse: (slice) => ({ addedAt: slice.loadUint(32), flags: slice.loadUint(16), metaHash: slice.loadBuffer(32) }),
};
const pendingValue = {
  serialize: ({ eta, change }, builder) => builder.storeUint(eta, 32).storeRef(change),
  parse: (slice) => ({ eta: slice.loadUint(32), change: slice.loadRef() }),
};

export function netParams({ minStake = 0n, unbondPeriod = 604_800, minChallenge = 3_600, maxOpenWindow = 86_400, protocolMin = 1, protocolMax = 1 } = {}) {
  return beginCell().storeCoins(minStake).storeUint(unbondPeriod, 32).storeUint(minChallenge, 32).storeUint(maxOpenWindow, 32)
    .storeUint(protocolMin, 16).storeUint(protocolMax, 16).endCell();
}

export function codes(provider = loadCode('ProviderBond'), channel = loadCode('Channel')) {
  return beginCell().storeRef(provider).storeRef(channel).endCell();
}

const put = (op) => (hash, { flags = 1, metaHash = hash32('meta') } = {}) =>
  beginCell().storeUint(op, 8).storeBuffer(hash).storeUint(flags, 16).storeBuffer(metaHash).endCell();
const del = (op) => (hash) => beginCell().storeUint(op, 8).storeBuffer(hash).endCell();
const replace = (op) => (cell) => beginCell().storeUint(op, 8).storeRef(cell).endCell();

export const change = {
  putMeasurement: put(1), delMeasurement: del(2), putModel: put(3), delModel: del(4),
  params: replace(5), codes: replace(6), bootstrap: replace(8),
  admin: (address) => beginCell().storeUint(7, 8).storeAddress(address).endCell(),
};

export class RegistryFixture {
  constructor(world, { code = loadCode('Registry'), entries = 0, timelock = TIMELOCK, admin = party('admin') } = {}) {
    this.world = world;
    this.admin = admin;
    const list = Dictionary.empty(Dictionary.Keys.Buffer(32), infoValue);
    for (let i = 0; i < entries; i++) list.set(hash32(`entry ${i}`), { addedAt: 1, flags: 1, metaHash: hash32('meta') });
    const lists = beginCell().storeDict(list).storeDict(list)
      .storeDict(Dictionary.empty(Dictionary.Keys.Uint(32), pendingValue)).storeMaybeRef(null).endCell();
    this.init = {
      code,
      data: beginCell().storeAddress(this.admin).storeUint(0, 32).storeUint(0, 32).storeUint(timelock, 32)
        .storeRef(netParams()).storeRef(codes()).storeRef(lists).endCell(),
    };
    this.address = contractAddress(0, this.init);
  }

  state() {
    const { data } = this.world.account(this.address);
    if (!data) return null;
    const slice = data.beginParse();
    const root = { admin: slice.loadAddress().toRawString(), version: slice.loadUint(32), nextId: slice.loadUint(32), timelock: slice.loadUint(32) };
    const [params, codesCell, listsCell] = [slice.loadRef(), slice.loadRef(), slice.loadRef()];
    const lists = listsCell.beginParse();
    const entries = (value) => Object.fromEntries([...value].map(([hash, info]) => [
      hash.toString('hex'), { ...info, metaHash: info.metaHash.toString('hex') }]));
    return {
      ...root,
      params: params.hash().toString('hex'),
      codes: codesCell.hash().toString('hex'),
      measurements: entries(lists.loadDict(Dictionary.Keys.Buffer(32), infoValue)),
      models: entries(lists.loadDict(Dictionary.Keys.Buffer(32), infoValue)),
      pending: Object.fromEntries([...lists.loadDict(Dictionary.Keys.Uint(32), pendingValue)]
        .map(([id, { eta, change: cell }]) => [id, { eta, change: cell.hash().toString('hex') }])),
      bootstrap: lists.loadMaybeRef()?.hash().toString('hex') ?? null,
    };
  }

  get balance() {
    return this.world.account(this.address).balance;
  }

  send(body, { from = this.admin, value = 50_000_000n, ...rest } = {}) {
    return this.world.send({ from, to: this.address, value, body, ...rest });
  }

  deploy(value = 1_000_000_000n) {
    return this.send(Cell.EMPTY, { value, init: this.init });
  }

  propose(cell, options) {
    return this.send(beginCell().storeUint(OP.propose, 32).storeUint(0, 64).storeRef(cell).endCell(), options);
  }

  apply(id, options) {
    return this.send(beginCell().storeUint(OP.apply, 32).storeUint(0, 64).storeUint(id, 32).endCell(), { from: party('anybody'), ...options });
  }

  cancel(id, options) {
    return this.send(beginCell().storeUint(OP.cancel, 32).storeUint(0, 64).storeUint(id, 32).endCell(), options);
  }

  revoke(hash, { isModel = false, ...options } = {}) {
    return this.send(beginCell().storeUint(OP.revoke, 32).storeUint(0, 64).storeBit(isModel).storeBuffer(hash).endCell(), options);
  }
}
