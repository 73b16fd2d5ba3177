import { createHash } from 'node:crypto';
import { beginCell, contractAddress } from '@ton/core';
import { loadCode } from '../../lib/contracts.mjs';
import { DEVNET_GLOBAL_ID } from '../../lib/network.mjs';
import { keyFrom } from './keys.mjs';
import { party } from './world.mjs';

export const RESERVE = 10_000_000n;
export const MIN_VALUE = 10_000_000n;
export const MAX_CHALLENGE = 604_800;
export const MAX_OPEN_WINDOW = 86_400;

export const OP = {
  open: 0x3d1c0001, topUp: 0x3d1c0002, claim: 0x3d1c0003, startClose: 0x3d1c0004, finishClose: 0x3d1c0005, coopClose: 0x3d1c0006,
  extend: 0x3d1c0007, paidOut: 0x3d1c0011, closing: 0x3d1c0012, refunded: 0x3d1c0013, excesses: 0xd53276db,
};

export const ERR = {
  notOpen: 200, openWindow: 201, signature: 202, staleTotal: 203, noFunds: 204, notClient: 205, closing: 206, notDue: 207,
  grantCap: 208, lowValue: 209, expiry: 210, terms: 211, wrongOp: 65_535,
};

/** Statements are built from bytes, as a signer without a cell library does it; the contract is the judge of both. */
function statement(descriptor, tag, channel, ...fields) {
  const bytes = Buffer.concat([Buffer.from([0x00, descriptor]), Buffer.from(tag, 'latin1'), channel.hash, ...fields]);
  return createHash('sha256').update(bytes).digest();
}

function uint64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export const voucherDigest = (channel, total, nonce) => statement(0x68, 'CVCH', channel, uint64(total), uint64(nonce));
export const grantDigest = (channel, sessionKey, cap) => statement(0x98, 'CDLG', channel, sessionKey, uint64(cap));
export const ackDigest = (channel, total) => statement(0x58, 'CCLS', channel, uint64(total));

/** One channel as both sides know it: terms, keys, address, and the bodies of every message to it. */
export class ChannelFixture {
  constructor(world, terms = {}) {
    this.code = terms.code ?? loadCode('Channel');
    this.client = terms.client ?? party('client');
    this.payout = terms.payout ?? party('payout');
    this.payKey = terms.payKey ?? keyFrom('pay');
    this.sessionKey = terms.sessionKey ?? keyFrom('session');
    this.providerKey = terms.providerKey ?? keyFrom('provider');
    this.challenge = terms.challenge ?? 3_600;
    this.openBefore = terms.openBefore ?? world.now + 600;
    this.expiresAt = terms.expiresAt ?? 0;
    this.globalId = terms.globalId ?? DEVNET_GLOBAL_ID;
    this.salt = terms.salt ?? 1n;
    this.world = world;
    this.init = { code: this.code, data: this.data({ opened: false, claimed: 0n, closeAt: 0, expiresAt: this.expiresAt }) };
    this.address = contractAddress(terms.workchain ?? 0, this.init);
  }

  data({ opened, claimed, closeAt, expiresAt }) {
    const terms = beginCell().storeAddress(this.client).storeBuffer(this.providerKey.publicKey).storeUint(this.challenge, 32)
      .storeUint(this.openBefore, 32).storeInt(this.globalId, 32).storeUint(this.salt, 64).endCell();
    return beginCell().storeBit(opened).storeCoins(claimed).storeUint(closeAt, 32).storeUint(expiresAt, 32)
      .storeBuffer(this.payKey.publicKey).storeAddress(this.payout).storeRef(terms).endCell();
  }

  /** The data cell as it is on chain, or `null` when the account is gone. */
  state() {
    const { data } = this.world.account(this.address);
    if (!data) return null;
    const slice = data.beginParse();
    return { opened: slice.loadBit(), claimed: slice.loadCoins(), closeAt: slice.loadUint(32), expiresAt: slice.loadUint(32) };
  }

  get balance() {
    return this.world.account(this.address).balance;
  }

  send(body, { from = party('stranger'), value = 50_000_000n, ...rest } = {}) {
    return this.world.send({ from, to: this.address, value, body, ...rest });
  }

  open(deposit = 1_000_000_000n, options = {}) {
    return this.send(simple(OP.open), { from: this.client, value: deposit, init: this.init, ...options });
  }

  topUp(value, options = {}) {
    return this.send(undefined, { value, ...options });
  }

  claim(total, options) {
    return this.send(this.claimBody(total, options), options);
  }

  claimBody(total, { nonce = 7n, ...options } = {}) {
    const { signature, grant } = this.voucher(total, nonce, options);
    return beginCell().storeUint(OP.claim, 32).storeUint(0, 64).storeUint(total, 64).storeUint(nonce, 64)
      .storeBuffer(signature).storeMaybeRef(grant).endCell();
  }

  /**
   * `grant: {cap}` signs by the session key under a grant; `forChannel` signs for another channel,
   * `signer` and `grantSigner` with other keys, `corrupt` flips a bit of the signature.
   */
  voucher(total, nonce, { grant, forChannel = this.address, signer, grantSigner = this.payKey, grantChannel = this.address, corrupt = false } = {}) {
    const key = signer ?? (grant ? this.sessionKey : this.payKey);
    const signature = Buffer.from(key.sign(voucherDigest(forChannel, total, nonce)));
    if (corrupt) signature[5] ^= 4;
    return {
      signature,
      grant: grant
        ? beginCell().storeBuffer(this.sessionKey.publicKey).storeUint(grant.cap, 64)
          .storeBuffer(grantSigner.sign(grantDigest(grantChannel, this.sessionKey.publicKey, grant.signedCap ?? grant.cap))).endCell()
        : null,
    };
  }

  startClose(options) {
    return this.send(simple(OP.startClose), { from: this.client, ...options });
  }

  finishClose(options) {
    return this.send(simple(OP.finishClose), options);
  }

  coopClose(total, { nonce = 7n, ackSigner = this.providerKey, ackTotal = total, ackChannel = this.address, ...options } = {}) {
    const { signature, grant } = this.voucher(total, nonce, options);
    const ack = beginCell().storeBuffer(ackSigner.sign(ackDigest(ackChannel, ackTotal))).endCell();
    const body = beginCell().storeUint(OP.coopClose, 32).storeUint(0, 64).storeUint(total, 64).storeUint(nonce, 64)
      .storeBuffer(signature).storeRef(ack).storeMaybeRef(grant).endCell();
    return this.send(body, { from: this.client, ...options });
  }

  extend(expiresAt, options) {
    return this.send(beginCell().storeUint(OP.extend, 32).storeUint(0, 64).storeUint(expiresAt, 32).endCell(), { from: this.client, ...options });
  }
}

export function simple(op, queryId = 0n) {
  return beginCell().storeUint(op, 32).storeUint(queryId, 64).endCell();
}

export function readEvent(message) {
  const slice = message.body.beginParse();
  const op = slice.loadUint(32);
  const queryId = slice.loadUintBig(64);
  switch (op) {
    case OP.paidOut:
    case OP.refunded:
      return { op, queryId, claimed: slice.loadCoins() };
    case OP.closing:
      return { op, queryId, closeAt: slice.loadUint(32) };
    default:
      return { op, queryId };
  }
}
