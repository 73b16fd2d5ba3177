import { createHash, sign } from 'node:crypto';
import { Cell, Dictionary, beginCell, loadShardAccount } from '@ton/core';
import { ed25519, keyId } from './adnl.mjs';
import { DEVNET_GLOBAL_ID } from '../network.mjs';
import { writeBag } from './boc.mjs';
import { TlWriter } from './tl.mjs';

const MASTERCHAIN = -1;
const WHOLE_SHARD = 1n << 63n;
const VALIDATORS = 4;
const VALIDATOR_WEIGHT = 100n;
const CATCHAIN_SEQNO = 1;
const KEY_BLOCK_SEQNO = 1;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const text = (value) => beginCell().storeBuffer(Buffer.from(value)).endCell();
const exotic = (builder, refs) => new Cell({ bits: builder.endCell().bits, refs, exotic: true });

/** The pruned branch that stands for a cell in a proof. */
const prune = (cell) => exotic(beginCell().storeUint(1, 8).storeUint(1, 8).storeBuffer(cell.hash()).storeUint(cell.depth(), 16), []);

/** A Merkle proof of `root` that keeps the cells for which `keep` is true. */
function prove(root, keep) {
  const reduce = (cell) => (cell.isExotic ? cell : new Cell({ bits: cell.bits, refs: cell.refs.map((ref) => (keep(ref) ? reduce(ref) : prune(ref))) }));
  const reduced = reduce(root);
  return exotic(beginCell().storeUint(3, 8).storeBuffer(root.hash()).storeUint(root.depth(), 16), [reduced]);
}

/** The shortest label of `HmLabel ~l max` for bits `from` to `to` of a 256-bit key. */
function storeLabel(builder, bit, from, to, max) {
  const length = to - from;
  const size = Math.ceil(Math.log2(max + 1));
  let same = length > 1;
  for (let i = from + 1; i < to && same; i++) same = bit(i) === bit(from);
  if (same && size < 2 * length - 1) return builder.storeUint(3, 2).storeBit(bit(from)).storeUint(length, size);
  if (size < length) builder.storeUint(2, 2).storeUint(length, size);
  else builder.storeUint(0, 1).storeUint((1n << BigInt(length + 1)) - 2n, length + 1);
  for (let i = from; i < to; i++) builder.storeBit(bit(i));
  return builder;
}

/** `ShardAccounts`: HashmapAugE 256 ShardAccount DepthBalanceInfo, over entries sorted by key. */
class ShardAccounts {
  constructor(entries) {
    const root = entries.length > 0 ? this.#edge(entries, 0) : null;
    this.balance = root?.balance ?? 0n;
    this.root = root?.cell;
    this.tree = root;
    const builder = beginCell().storeMaybeRef(this.root);
    this.cell = ShardAccounts.#extra(builder, this.balance).endCell();
  }

  /** Cells on the way to a key, for a proof of it or of its absence. */
  path(key) {
    const kept = new Set([this.cell]);
    for (let node = this.tree; node; node = node.children?.[(key[node.fork >> 3] >> (7 - (node.fork & 7))) & 1]) kept.add(node.cell);
    return kept;
  }

  static #extra(builder, balance) {
    return builder.storeUint(0, 5).storeCoins(balance).storeBit(0);
  }

  #edge(entries, start) {
    const { key, value, balance } = entries[0];
    const bitOf = (bytes) => (i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1;
    if (entries.length === 1) {
      const builder = storeLabel(beginCell(), bitOf(key), start, 256, 256 - start);
      return { cell: ShardAccounts.#extra(builder, balance).storeSlice(value.beginParse()).endCell(), balance };
    }
    const last = bitOf(entries.at(-1).key);
    let fork = start;
    while (bitOf(key)(fork) === last(fork)) fork++;
    const split = entries.findIndex((entry) => bitOf(entry.key)(fork) === 1);
    const children = [this.#edge(entries.slice(0, split), fork + 1), this.#edge(entries.slice(split), fork + 1)];
    const sum = children[0].balance + children[1].balance;
    const builder = storeLabel(beginCell(), bitOf(key), start, fork, 256 - start);
    return { cell: ShardAccounts.#extra(builder, sum).storeRef(children[0].cell).storeRef(children[1].cell).endCell(), balance: sum, fork, children };
  }
}

function shardState(workchain, seqno, utime, accounts, custom) {
  return beginCell().storeUint(0x9023afe2, 32).storeInt(DEVNET_GLOBAL_ID, 32)
    .storeUint(0, 8).storeInt(workchain, 32).storeUint(0, 64)
    .storeUint(seqno, 32).storeUint(0, 32).storeUint(utime, 32).storeUint(0, 64).storeUint(0, 32).storeBit(0)
    .storeBit(custom ? 1 : 0)
    .storeRef(text('queue')).storeRef(accounts).storeRef(text('totals'))
    .storeSlice((custom ? beginCell().storeRef(custom) : beginCell()).endCell().beginParse())
    .endCell();
}

function header(workchain, seqno, utime, isKey, setHash) {
  return beginCell().storeUint(0x9bc7a987, 32).storeUint(0, 32)
    .storeBit(workchain === MASTERCHAIN ? 0 : 1).storeUint(0, 5).storeBit(isKey ? 1 : 0).storeUint(0, 9)
    .storeUint(seqno, 32).storeUint(0, 32)
    .storeUint(0, 8).storeInt(workchain, 32).storeUint(0, 64)
    .storeUint(utime, 32).storeUint(0, 64).storeUint(0, 64)
    .storeUint(setHash, 32).storeUint(CATCHAIN_SEQNO, 32).storeUint(0, 32).storeUint(KEY_BLOCK_SEQNO, 32)
    .storeRef(text('previous')).endCell();
}

function block(workchain, info, state, extra) {
  const before = text('before');
  const update = exotic(
    beginCell().storeUint(4, 8).storeBuffer(before.hash()).storeBuffer(state.hash()).storeUint(before.depth(), 16).storeUint(state.depth(), 16),
    [prune(before), prune(state)]);
  return beginCell().storeUint(0x11ef55aa, 32).storeInt(DEVNET_GLOBAL_ID, 32)
    .storeRef(info).storeRef(text('value flow')).storeRef(update).storeRef(extra).endCell();
}

const blockId = (workchain, seqno, root) => ({ workchain, shard: WHOLE_SHARD, seqno, rootHash: root.hash(), fileHash: sha256(writeBag([root])) });

/** The four validators of the devnet: their keys are everybody's, they show how proofs work and guard nothing. */
class Validators {
  keys = Array.from({ length: VALIDATORS }, (_, i) => ed25519(sha256(`cocoon devnet validator ${i}`)));

  get cell() {
    const list = Dictionary.empty(Dictionary.Keys.Uint(16), {
      serialize: (key, builder) => builder.storeUint(0x73, 8).storeUint(0x8e81278a, 32).storeBuffer(key.publicKey).storeUint(VALIDATOR_WEIGHT, 64).storeBuffer(keyId(key.publicKey)),
    });
    this.keys.forEach((key, i) => list.set(i, key));
    return beginCell().storeUint(0x12, 8).storeUint(0, 32).storeUint(0xffffffff, 32).storeUint(VALIDATORS, 16).storeUint(VALIDATORS, 16)
      .storeUint(VALIDATOR_WEIGHT * BigInt(VALIDATORS), 64).storeDict(list).endCell();
  }

  get shortHash() {
    const writer = new TlWriter().uint32(0x901660ed).uint32(CATCHAIN_SEQNO).uint32(VALIDATORS);
    for (const { publicKey } of this.keys) writer.raw(publicKey).uint64(VALIDATOR_WEIGHT).raw(keyId(publicKey));
    return crc32c(writer.end());
  }

  /** `liteServer.signatureSet.simplex` by three of the four. */
  sign(id) {
    const session = sha256('cocoon devnet session');
    const candidate = new TlWriter().uint32(0x72b4d933).block(id).uint32(0).raw(Buffer.alloc(32)).end();
    const vote = new TlWriter().uint32(0x40a7e105).uint32(0xb691cd3f).uint32(id.seqno).raw(sha256(candidate)).end();
    const signed = new TlWriter().uint32(0xa8e33df8).raw(session).bytes(vote).end();
    const writer = new TlWriter().uint32(0xac249800).uint32(CATCHAIN_SEQNO).uint32(this.shortHash).uint32(3);
    for (const { publicKey, key } of this.keys.slice(1)) writer.raw(keyId(publicKey)).bytes(sign(null, signed, key));
    return writer.raw(session).uint32(id.seqno).bytes(candidate).end();
  }
}

function crc32c(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** `block_extra` of the masterchain, with the configuration of a key block. */
function masterchainExtra(config) {
  const custom = beginCell().storeUint(0xcca5, 16).storeBit(config ? 1 : 0).storeBit(0)
    .storeBit(0).storeCoins(0).storeBit(0).storeCoins(0).storeBit(0)
    .storeRef(text('signatures'));
  if (config) custom.storeUint(0, 256).storeRef(config);
  return beginCell().storeUint(0x4a33f6fd, 32).storeRef(text('in')).storeRef(text('out')).storeRef(text('accounts'))
    .storeUint(0, 256).storeUint(0, 256).storeMaybeRef(custom.endCell()).endCell();
}

const keepTree = (cell, kept = new Set()) => {
  kept.add(cell);
  for (const ref of cell.refs) keepTree(ref, kept);
  return kept;
};

/** The one key block: the same in every run, so that it can be pinned. */
export class KeyBlock {
  validators = new Validators();

  constructor() {
    const config = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    config.set(28, beginCell().storeUint(0xc2, 8).storeUint(0, 8).storeUint(0, 128).endCell());
    config.set(34, this.validators.cell);
    const configCell = beginCell().storeDictDirect(config).endCell();
    this.root = block(MASTERCHAIN, header(MASTERCHAIN, KEY_BLOCK_SEQNO, 0, true, 0), text('state'), masterchainExtra(configCell));
    this.id = blockId(MASTERCHAIN, KEY_BLOCK_SEQNO, this.root);
  }

  /** `liteServer.blockLinkForward` to a head. */
  linkTo(head) {
    const parts = new Set([this.root.refs[0], ...keepTree(this.root.refs[3])]);
    return new TlWriter().uint32(0x520fce1c).bool(false).block(this.id).block(head.id)
      .bytes(prove(head.root, (cell) => cell === head.root.refs[0]).toBoc())
      .bytes(prove(this.root, (cell) => parts.has(cell)).toBoc())
      .raw(this.validators.sign(head.id)).end();
  }
}

/** A masterchain block over the accounts of one moment, with the proofs that a lite-server gives. */
export class Head {
  /** @param shardAccounts `[raw address, bag of the ShardAccount]` pairs */
  constructor({ seqno, utime, shardAccounts, config, setHash }) {
    const entries = { 0: [], [MASTERCHAIN]: [] };
    this.accounts = new Map();
    for (const [address, boc] of shardAccounts) {
      const value = Cell.fromBase64(boc);
      const { account } = loadShardAccount(value.beginParse());
      if (!account) continue;
      const [workchain, id] = address.split(':');
      this.accounts.set(address, value.refs[0]);
      entries[workchain]?.push({ key: Buffer.from(id, 'hex'), value, balance: account.storage.balance.coins });
    }
    for (const list of Object.values(entries)) list.sort((a, b) => Buffer.compare(a.key, b.key));
    this.shards = {
      0: this.#shard(0, seqno, utime, new ShardAccounts(entries[0]), null, text('extra'), 0),
    };
    const extra = this.#stateExtra(config);
    this.shards[MASTERCHAIN] = this.#shard(MASTERCHAIN, seqno, utime, new ShardAccounts(entries[MASTERCHAIN]), extra, masterchainExtra(null), setHash);
    this.id = this.shards[MASTERCHAIN].id;
    this.root = this.shards[MASTERCHAIN].root;
    this.extra = extra;
  }

  /** `liteServer.accountState` */
  accountState(workchain, id) {
    const shard = this.shards[workchain] ?? this.shards[0];
    const path = shard.accounts.path(id);
    const state = this.accounts.get(`${workchain}:${id.toString('hex')}`);
    const shardProof = workchain === MASTERCHAIN ? Buffer.alloc(0) : this.stateProof(keepTree(this.extra.refs[0], new Set([this.extra])));
    return new TlWriter().uint32(0x7079c751).block(this.id).block(shard.id).bytes(shardProof)
      .bytes(writeBag([blockProof(shard), prove(shard.state, (cell) => path.has(cell))]))
      .bytes(state ? state.toBoc() : Buffer.alloc(0)).end();
  }

  /** `liteServer.configInfo` of the whole configuration. */
  configInfo() {
    const master = this.shards[MASTERCHAIN];
    const kept = keepTree(this.extra);
    return new TlWriter().uint32(0xae7b272f).uint32(0).block(this.id)
      .bytes(blockProof(master).toBoc()).bytes(prove(master.state, (cell) => kept.has(cell)).toBoc()).end();
  }

  stateProof(kept) {
    const master = this.shards[MASTERCHAIN];
    return writeBag([blockProof(master), prove(master.state, (cell) => kept.has(cell))]);
  }

  #shard(workchain, seqno, utime, accounts, custom, extra, setHash) {
    const state = shardState(workchain, seqno, utime, accounts.cell, custom);
    const root = block(workchain, header(workchain, seqno, utime, false, setHash), state, extra);
    return { id: blockId(workchain, seqno, root), root, state, accounts };
  }

  /** `masterchain_state_extra#cc26`: the shard's block and the configuration. */
  #stateExtra(config) {
    const { id } = this.shards[0];
    const leaf = beginCell().storeBit(0).storeUint(0xb, 4).storeUint(id.seqno, 32).storeUint(0, 32).storeUint(0, 64).storeUint(0, 64)
      .storeBuffer(id.rootHash).storeBuffer(id.fileHash).endCell();
    const shards = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
    shards.set(0, leaf);
    return beginCell().storeUint(0xcc26, 16).storeDict(shards).storeUint(0, 256).storeRef(config).endCell();
  }
}

const blockProof = ({ root }) => prove(root, (cell) => cell === root.refs[2]);
