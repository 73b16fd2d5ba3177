import { createHash } from 'node:crypto';
import { beginCell, contractAddress } from '@ton/core';
import { loadCode } from '../../lib/contracts.mjs';
import { DEVNET_GLOBAL_ID } from '../../lib/network.mjs';
import { keyFrom } from './keys.mjs';
import { party } from './world.mjs';

export const OP = {
  addStake: 0x3d1d0001, publish: 0x3d1d0002, unbond: 0x3d1d0003, rebond: 0x3d1d0004, withdraw: 0x3d1d0005, slash: 0x3d1d0006,
  withdrawn: 0x3d1d0011, slashPaid: 0x3d1d0012, excesses: 0xd53276db,
};

export const ERR = { lowValue: 209, notOwner: 220, state: 221, stillBonded: 222, sequence: 223, statement: 224, sameDigest: 225, wrongOp: 65_535 };

export const UNBOND_PERIOD = 7 * 86_400;

export function statementDigest(bond, kind, slot, digest) {
  const bytes = Buffer.concat([Buffer.from([0x00, 0xca]), Buffer.from('CSTM'), bond.hash, Buffer.from([kind]), slot, digest]);
  return createHash('sha256').update(bytes).digest();
}

export function hash32(label) {
  return createHash('sha256').update(label).digest();
}

export class BondFixture {
  constructor(world, { code = loadCode('ProviderBond'), salt = 0, workchain = 0, owner = party('owner') } = {}) {
    this.world = world;
    this.owner = owner;
    this.nodeKey = keyFrom('node');
    this.init = { code, data: this.#data(salt) };
    this.address = contractAddress(workchain, this.init);
  }

  #data(minStake) {
    const params = beginCell().storeAddress(party('registry')).storeUint(UNBOND_PERIOD, 32).storeCoins(minStake).storeInt(DEVNET_GLOBAL_ID, 32).endCell();
    return beginCell().storeAddress(this.owner).storeBuffer(this.nodeKey.publicKey).storeUint(0, 32).storeBit(false)
      .storeUint(0, 32).storeUint(0, 256).storeRef(params).endCell();
  }

  state() {
    const { data } = this.world.account(this.address);
    if (!data) return null;
    const slice = data.beginParse();
    slice.loadAddress();
    slice.loadBuffer(32);
    return { unlockAt: slice.loadUint(32), slashed: slice.loadBit(), metaSeq: slice.loadUint(32), metaHash: slice.loadBuffer(32).toString('hex') };
  }

  get balance() {
    return this.world.account(this.address).balance;
  }

  send(body, { from = this.owner, value = 50_000_000n, ...rest } = {}) {
    return this.world.send({ from, to: this.address, value, body, ...rest });
  }

  deploy(stake) {
    return this.send(simple(OP.addStake), { value: stake, init: this.init });
  }

  publish(metaSeq, metaHash, options) {
    return this.send(beginCell().storeUint(OP.publish, 32).storeUint(0, 64).storeUint(metaSeq, 32).storeBuffer(metaHash).endCell(), options);
  }

  operate(name, options) {
    return this.send(simple(OP[name]), options);
  }

  slash(first, second, { kind = 1, slot = hash32('slot'), ...options } = {}) {
    const body = beginCell().storeUint(OP.slash, 32).storeUint(0, 64).storeUint(kind, 8).storeBuffer(slot)
      .storeRef(this.signed(first, { kind, slot })).storeRef(this.signed(second, { kind, slot })).endCell();
    return this.send(body, { from: party('reporter'), ...options });
  }

  signed({ digest, signer = this.nodeKey, signedKind, signedSlot, signedBond = this.address }, { kind, slot }) {
    const signature = signer.sign(statementDigest(signedBond, signedKind ?? kind, signedSlot ?? slot, digest));
    return beginCell().storeBuffer(digest).storeBuffer(signature).endCell();
  }
}

export function simple(op) {
  return beginCell().storeUint(op, 32).storeUint(0, 64).endCell();
}
