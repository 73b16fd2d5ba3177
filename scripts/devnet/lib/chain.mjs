import { createHash } from 'node:crypto';
import { Address, Cell, Dictionary, beginCell, loadMessage, loadTransaction, serializeTuple, parseTuple, storeMessage } from '@ton/core';
import { Executor } from '@ton/sandbox';
import { EMPTY_SHARD_ACCOUNT, readAccount } from './account.mjs';
import { Clock } from './clock.mjs';
import { ApiError, invalid } from './errors.mjs';
import { Lock } from './lock.mjs';
import { networkConfig } from './network.mjs';

const LT_STEP = 1_000_000n;
const MAX_EXTERNAL_BYTES = 65_535;
const MAX_MESSAGES_PER_BLOCK = 10_000;
const MAX_MEMPOOL = 4_096;
const MAX_SNAPSHOTS = 64;
const GET_METHOD_GAS = 1_000_000;
const EXIT_NO_ACCOUNT = -13;

/** Where faucet money comes from: an address without a key. */
export const FAUCET_ADDRESS = new Address(0, createHash('sha256').update('cocoon devnet faucet').digest());

/**
 * One TON chain in memory: accounts as the TVM serialises them, transactions by account, and blocks that
 * hold whatever ran at one chain second. Every public call is atomic.
 */
export class Chain {
  #lock = new Lock();
  #executor;
  #config;
  #accounts = new Map();
  #views = new Map();
  #history = new Map();
  #blocks = new Map();
  #seqno = 1;
  #utime;
  #lt = 0n;
  #transactionCount = 0;
  #mempool = [];
  #internalQueue = [];
  #dropped = 0;
  #snapshots = new Map();
  #nextSnapshot = 1;

  /** Called with what changed after each block, and with `null` after the whole state was replaced. */
  onChange = () => {};

  static async create({ prices = '2026', queued = false, clock = new Clock() } = {}) {
    return new Chain(await Executor.create(), prices, queued, clock);
  }

  constructor(executor, prices, queued, clock) {
    this.#executor = executor;
    this.prices = prices;
    this.queued = queued;
    this.clock = clock;
    this.config = networkConfig(prices);
    this.#config = this.config.toBoc().toString('base64');
    this.#utime = clock.now();
  }

  get seqno() {
    return this.#seqno;
  }

  get counters() {
    return {
      accounts: this.#accounts.size,
      transactions: this.#transactionCount,
      pending: this.#mempool.length + this.#internalQueue.length,
      dropped: this.#dropped,
      snapshots: this.#snapshots.size,
    };
  }

  account(address) {
    const key = address.toRawString();
    const shardAccount = this.#shardAccount(key);
    let view = this.#views.get(key);
    if (view?.shardAccount !== shardAccount) {
      view = { shardAccount, account: readAccount(shardAccount) };
      this.#views.set(key, view);
    }
    return view.account;
  }

  /** Every account as `[raw address, bag of the ShardAccount]`, and a version that is another after every transaction. */
  accountsNow() {
    return { version: this.#lt, shardAccounts: [...this.#accounts] };
  }

  /** Transactions of an account, oldest first; the caller must not change the list. */
  history(address) {
    return this.#history.get(address.toRawString()) ?? [];
  }

  /** `{ seqno, utime, transactions }`; blocks in which nothing happened are not kept. */
  block(seqno) {
    return this.#blocks.get(seqno) ?? { seqno, utime: this.#utime, transactions: [] };
  }

  /** Takes an external message: run at once with all that follows from it, or tried and queued for the next block. */
  async submit(boc) {
    const message = parseExternal(boc);
    const cell = message.cell;
    return this.#lock.run(async () => {
      if (!this.queued) {
        if (this.#internalQueue.length > 0) await this.#produceBlock([]);
        await this.#produceBlock([cell], { external: 'must-accept' });
        return message;
      }
      const hash = cell.hash().toString('hex');
      if (this.#mempool.some((queued) => queued.hash === hash)) return message;
      if (this.#mempool.length >= MAX_MEMPOOL) throw new ApiError(503, `the queue of ${MAX_MEMPOOL} messages is full: mine a block first`);
      await this.#transact(cell, message.address, this.clock.now(), { commit: false });
      this.#mempool.push({ hash, cell });
      return message;
    });
  }

  /** Creates money: an internal message from the faucet that carries `amount`, in a block of its own. */
  async mint(address, amount) {
    const { block } = await this.deliver({ src: FAUCET_ADDRESS, dest: address, value: amount, bounce: false });
    const key = address.toRawString();
    return block.transactions.findLast((transaction) => transaction.address === key);
  }

  /** Runs an internal message in a block of its own, whether or not `src` has sent it or has the money; with the parsed transactions. */
  async deliver({ src, dest, value, bounce = true, body = Cell.EMPTY, init = null }) {
    return this.#lock.run(() => this.#produceBlock([beginCell().store(storeMessage({
      info: {
        type: 'internal', ihrDisabled: true, bounce, bounced: false,
        src, dest, value: { coins: value },
        ihrFee: 0n, forwardFee: 0n, createdLt: this.#lt + 1n, createdAt: this.clock.now(),
      },
      init,
      body,
    })).endCell()]));
  }

  /** Produces `count` blocks; the first takes what is queued. */
  async mine(count = 1) {
    return this.#lock.run(async () => {
      for (let i = 0; i < count; i++) {
        const externals = this.#mempool.splice(0).map((queued) => queued.cell);
        await this.#produceBlock(externals);
      }
    });
  }

  /** Changes the clock, then mines, so that the new time is visible in a block. */
  async setTime(change) {
    await this.#lock.run(async () => change(this.clock));
    await this.mine();
  }

  /** The outcome of an external message on one account, without its effects; for fee estimates. */
  async simulate(cell, address, { ignoreSignature }) {
    return this.#lock.run(() => this.#transact(cell, address, this.clock.now(), { commit: false, ignoreSignature }));
  }

  async runGetMethod(address, methodId, stack) {
    return this.#lock.run(async () => {
      const account = this.account(address);
      if (account.status !== 'active' || !account.code) return { exitCode: EXIT_NO_ACCOUNT, gasUsed: 0n, stack: [] };
      serializeTuple(stack);
      const { output } = await this.#call((executor) => executor.runGetMethod({
        code: account.code,
        data: account.data ?? Cell.EMPTY,
        methodId,
        stack,
        config: this.#config,
        verbosity: 'short',
        address,
        unixTime: this.clock.now(),
        balance: account.balance,
        randomSeed: Buffer.alloc(32),
        gasLimit: BigInt(GET_METHOD_GAS),
        debugEnabled: false,
      }));
      if (!output.success) throw new ApiError(500, `get-method failed: ${output.error}`);
      return {
        exitCode: output.vm_exit_code,
        gasUsed: BigInt(output.gas_used),
        stack: parseTuple(Cell.fromBase64(output.stack)),
      };
    });
  }

  async snapshot() {
    return this.#lock.run(async () => {
      if (this.#snapshots.size >= MAX_SNAPSHOTS) throw new ApiError(409, `${MAX_SNAPSHOTS} snapshots are kept at most: restart the devnet to drop them`);
      const id = this.#nextSnapshot++;
      this.#snapshots.set(id, this.#save());
      return id;
    });
  }

  /** Puts back everything that the snapshot had, the clock included. A snapshot can be restored any number of times. */
  async restore(id) {
    return this.#lock.run(async () => {
      const state = this.#snapshots.get(id);
      if (!state) throw new ApiError(404, `no snapshot ${id}`);
      this.#load(state);
      this.onChange(null);
    });
  }

  /** Resolves when the calls made so far are done. */
  async idle() {
    await this.#lock.run(async () => {});
  }

  /** The whole state as plain values (no copy of what never changes). */
  save() {
    return this.#save();
  }

  load(state) {
    this.#load(state);
  }

  /** Applies one change as `onChange` reported it. */
  apply({ seqno, utime, lt, clock, accounts, transactions, pending }) {
    this.#seqno = seqno;
    this.#utime = utime;
    this.#lt = BigInt(lt);
    this.clock.load(clock);
    this.#internalQueue = pending.map((boc) => Cell.fromBase64(boc));
    for (const [address, shardAccount] of accounts) this.#accounts.set(address, shardAccount);
    for (const transaction of transactions) this.#record(transaction);
    if (transactions.length > 0) this.#blocks.set(seqno, { seqno, utime, transactions });
  }

  #save() {
    return {
      seqno: this.#seqno,
      utime: this.#utime,
      lt: this.#lt.toString(),
      clock: this.clock.save(),
      accounts: [...this.#accounts],
      blocks: [...this.#blocks.values()],
      pending: this.#internalQueue.map((cell) => cell.toBoc().toString('base64')),
    };
  }

  #load({ seqno, utime, lt, clock, accounts, blocks, pending }) {
    this.#accounts = new Map();
    this.#views = new Map();
    this.#history = new Map();
    this.#blocks = new Map();
    this.#transactionCount = 0;
    this.#mempool = [];
    for (const block of blocks) this.apply({ ...block, lt, clock, accounts: [], pending: [] });
    this.apply({ seqno, utime, lt, clock, accounts, transactions: [], pending });
  }

  #shardAccount(address) {
    return this.#accounts.get(address) ?? EMPTY_SHARD_ACCOUNT;
  }

  #record(transaction) {
    const list = this.#history.get(transaction.address);
    if (list) list.push(transaction);
    else this.#history.set(transaction.address, [transaction]);
    this.#transactionCount++;
  }

  async #produceBlock(messages, { external = 'may-fail' } = {}) {
    const utime = Math.max(this.clock.now(), this.#utime);
    const queue = [...this.#internalQueue, ...messages];
    const transactions = [];
    const parsed = [];
    const touched = new Set();
    for (let next = 0; next < queue.length; next++) {
      if (next >= MAX_MESSAGES_PER_BLOCK) {
        this.#internalQueue = queue.slice(next);
        break;
      }
      this.#internalQueue = [];
      const cell = queue[next];
      const { info } = loadMessage(cell.beginParse());
      let outcome;
      try {
        outcome = await this.#transact(cell, info.dest, utime, { commit: true });
      } catch (error) {
        // A single external was refused: nothing has happened, and its sender is told why.
        if (external === 'must-accept' && info.type === 'external-in') throw error;
        this.#dropped++;
        continue;
      }
      transactions.push(outcome.record);
      parsed.push(outcome.transaction);
      touched.add(outcome.record.address);
      queue.push(...outcome.internals);
    }
    this.#seqno++;
    this.#utime = utime;
    const block = { seqno: this.#seqno, utime, transactions };
    for (const transaction of transactions) this.#record(transaction);
    if (transactions.length > 0) this.#blocks.set(block.seqno, block);
    this.onChange({
      ...block,
      lt: this.#lt.toString(),
      clock: this.clock.save(),
      accounts: [...touched].map((address) => [address, this.#accounts.get(address)]),
      pending: this.#internalQueue.map((cell) => cell.toBoc().toString('base64')),
    });
    return { block, parsed };
  }

  async #transact(cell, address, utime, { commit, ignoreSignature = false }) {
    const key = address.toRawString();
    const lt = this.#lt + LT_STEP;
    const { result } = await this.#call((executor) => executor.runTransaction({
      config: this.#config,
      libs: null,
      verbosity: 'short',
      shardAccount: this.#shardAccount(key),
      message: cell,
      now: utime,
      lt,
      randomSeed: createHash('sha256').update(`${lt}`).digest(),
      ignoreChksig: ignoreSignature,
      debugEnabled: false,
    }));
    if (!result.success) throw refused(cell, result);
    const transactionCell = Cell.fromBase64(result.transaction);
    const transaction = loadTransaction(transactionCell.beginParse());
    if (!commit) return { transaction };
    this.#lt = lt;
    this.#accounts.set(key, result.shardAccount);
    return {
      transaction,
      record: { address: key, lt: transaction.lt.toString(), hash: transactionCell.hash().toString('hex'), utime, boc: result.transaction },
      internals: outMessageCells(transactionCell).filter((message) => loadMessage(message.beginParse()).info.type === 'internal'),
    };
  }

  /** The emulator is WebAssembly: after a trap its memory cannot be trusted, so a new one takes its place. */
  async #call(use) {
    try {
      return await use(this.#executor);
    } catch (error) {
      this.#executor = await Executor.create();
      throw new ApiError(500, `the virtual machine failed: ${error.message}`);
    }
  }
}

/** The messages as they stand in the transaction: storing a parsed message again could change its hash. */
function outMessageCells(transaction) {
  const messages = transaction.refs[0].beginParse();
  messages.loadMaybeRef();
  return messages.loadDict(Dictionary.Keys.Uint(15), Dictionary.Values.Cell()).values();
}

function refused(cell, { error, vmResults }) {
  const exit = vmResults ? `\nexitcode=${vmResults.vmExitCode}, steps=0, gas_used=0` : '';
  return new ApiError(500,
    'LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not accepted\n'
    + `Cannot run message on account: inbound external message rejected by transaction ${cell.hash().toString('hex').toUpperCase()}:`
    + `${exit}\n${error}`);
}

/** An external message with its address and TEP-467 hash, or an error that says what is wrong with the bytes. */
function parseExternal(boc) {
  if (boc.length > MAX_EXTERNAL_BYTES) throw invalid(`an external message has at most ${MAX_EXTERNAL_BYTES} bytes, this one ${boc.length}`);
  let cell;
  let message;
  try {
    const roots = Cell.fromBoc(boc);
    if (roots.length !== 1) throw new Error(`${roots.length} roots`);
    cell = roots[0];
    message = loadMessage(cell.beginParse());
  } catch (error) {
    throw invalid(`not an external message: ${error.message}`);
  }
  const { info } = message;
  if (info.type !== 'external-in') throw invalid(`not an external inbound message but ${info.type}`);
  if (info.dest.workChain !== 0 && info.dest.workChain !== -1) throw invalid(`no workchain ${info.dest.workChain}`);
  return { cell, address: info.dest, hash: cell.hash(), normalizedHash: normalizedHash(info.dest, message.body) };
}

/** TEP-467: the hash of the message without its init, source and fee and with its body in a reference. */
export function normalizedHash(dest, body) {
  return beginCell()
    .storeUint(0b10, 2)
    .storeUint(0, 2)
    .storeAddress(dest)
    .storeCoins(0)
    .storeBit(false)
    .storeBit(true)
    .storeRef(body)
    .endCell().hash();
}
