import { randomBytes } from 'node:crypto';
import { Address, Cell, parseTuple, serializeTuple } from '@ton/core';
import { ed25519, startAdnlServer } from './adnl.mjs';
import { Head, KeyBlock } from './blocks.mjs';
import { writeBag } from './boc.mjs';
import { TlReader, TlWriter } from './tl.mjs';

const MAX_HEADS = 64;
const MAX_TRANSACTIONS = 16;

const GET_MASTERCHAIN_INFO = 0x89b5e62e;
const LOOKUP_BLOCK = 0xfac8f71e;
const GET_ACCOUNT_STATE = 0x6b890e25;
const GET_TRANSACTIONS = 0x1c40e7a1;
const SEND_MESSAGE = 0x690ad482;
const RUN_SMC_METHOD = 0x5cc65dd2;
const GET_CONFIG_PARAMS = 0x2a111c19;
const GET_BLOCK_PROOF = 0x8aea9c44;
const WAIT_MASTERCHAIN_SEQNO = 0xbaeab892;
const GET_TIME = 0x16ad5a34;
const GET_VERSION = 0x232b940b;

/** A lite-server over the devnet's chain: blocks are made when asked for, signed by the devnet's own validators. */
export class LiteServer {
  #chain;
  #key = new KeyBlock();
  #heads = [];
  #identity = ed25519(randomBytes(32));
  #server;

  static async start(chain, port) {
    const lite = new LiteServer();
    lite.#chain = chain;
    lite.#server = await startAdnlServer({ port, identity: lite.#identity, answer: (query) => lite.#answer(query) });
    return lite;
  }

  get port() {
    return this.#server.address().port;
  }

  /** The network's configuration in the public format, to pin the key block and find this server. */
  get config() {
    const { seqno, rootHash, fileHash } = this.#key.id;
    const block = { workchain: -1, shard: -9223372036854776000, seqno, root_hash: rootHash.toString('base64'), file_hash: fileHash.toString('base64') };
    const json = JSON.stringify({
      '@type': 'config.global',
      liteservers: [{ ip: 2130706433, port: this.port, id: { '@type': 'pub.ed25519', key: this.#identity.publicKey.toString('base64') } }],
      validator: { '@type': 'validator.config.global', init_block: block },
    }, null, 2);
    // The shard does not fit a JavaScript number.
    return json.replace('-9223372036854776000', '-9223372036854775808');
  }

  async close() {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(query) {
    try {
      return await this.#run(new TlReader(query));
    } catch (error) {
      return new TlWriter().uint32(0xbba9e148).uint32(error.code ?? 651).bytes(Buffer.from(error.message.slice(0, 1000))).end();
    }
  }

  async #run(query) {
    let constructor = query.uint32();
    if (constructor === WAIT_MASTERCHAIN_SEQNO) {
      // Every answer is of the newest block, so there is nothing to wait for.
      query.raw(8);
      constructor = query.uint32();
    }
    switch (constructor) {
      case GET_MASTERCHAIN_INFO:
        return new TlWriter().uint32(0x85832881).block(this.#head().id).raw(Buffer.alloc(32)).uint32(-1).raw(Buffer.alloc(32)).raw(Buffer.alloc(32)).end();
      case GET_TIME:
        return new TlWriter().uint32(0xe953000d).uint32(this.#chain.clock.now()).end();
      case GET_VERSION:
        return new TlWriter().uint32(0x5a0491e5).uint32(0).uint32(0x101).uint64(7n).uint32(this.#chain.clock.now()).end();
      case LOOKUP_BLOCK: {
        query.raw(4 + 4 + 8);
        const seqno = query.uint32();
        const head = this.#heads.find(({ id }) => id.seqno === seqno) ?? unknown('block');
        return new TlWriter().uint32(0x752d8219).block(head.id).uint32(1).bytes(Buffer.alloc(0)).end();
      }
      case GET_ACCOUNT_STATE:
        return this.#find(query.block()).accountState(query.int32(), query.raw(32));
      case GET_CONFIG_PARAMS:
        query.uint32();
        return this.#find(query.block()).configInfo();
      case GET_BLOCK_PROOF: {
        query.uint32();
        const from = query.block();
        if (!from.rootHash.equals(this.#key.id.rootHash)) unknown('key block');
        const head = this.#find(query.block());
        return new TlWriter().uint32(0x8ed0d2c1).bool(true).block(from).block(head.id).uint32(1).raw(this.#key.linkTo(head)).end();
      }
      case GET_TRANSACTIONS:
        return this.#transactions(query.uint32(), query.int32(), query.raw(32), query.uint64());
      case SEND_MESSAGE:
        await this.#chain.submit(Buffer.from(query.bytes()));
        return new TlWriter().uint32(0x3950e597).uint32(1).end();
      case RUN_SMC_METHOD:
        return this.#runMethod(query);
      default:
        throw new Error(`the devnet's lite-server does not know function ${constructor.toString(16)}`);
    }
  }

  /** The chain of this moment as a block. */
  #head() {
    const utime = this.#chain.clock.now();
    const { version, shardAccounts } = this.#chain.accountsNow();
    const last = this.#heads.at(-1);
    if (last?.version === version && last.utime === utime) return last;
    const head = new Head({
      seqno: Math.max(this.#chain.seqno, last?.id.seqno ?? this.#key.id.seqno) + 1,
      utime,
      shardAccounts,
      config: this.#chain.config,
      setHash: this.#key.validators.shortHash,
    });
    Object.assign(head, { version, utime });
    this.#heads.push(head);
    if (this.#heads.length > MAX_HEADS) this.#heads.shift();
    return head;
  }

  #find(id) {
    return this.#heads.find((head) => head.id.rootHash.equals(id.rootHash)) ?? unknown('block');
  }

  #transactions(count, workchain, id, lt) {
    const list = this.#chain.history(new Address(workchain, id)).filter((transaction) => BigInt(transaction.lt) <= lt).reverse();
    if (list.length === 0 || BigInt(list[0].lt) !== lt) unknown('transaction');
    const page = list.slice(0, Math.min(count, MAX_TRANSACTIONS));
    const writer = new TlWriter().uint32(0x6f26c60b).uint32(page.length);
    for (const _ of page) writer.block(this.#head().shards[0].id);
    return writer.bytes(writeBag(page.map(({ boc }) => Cell.fromBase64(boc)))).end();
  }

  async #runMethod(query) {
    const mode = query.uint32();
    const head = this.#find(query.block());
    const address = new Address(query.int32(), query.raw(32));
    const method = Number(query.uint64());
    const { exitCode, stack } = await this.#chain.runGetMethod(address, method, parseTuple(Cell.fromBoc(Buffer.from(query.bytes()))[0]));
    const writer = new TlWriter().uint32(0xa39a616b).uint32(mode & 4).block(head.id).block(head.shards[0].id).uint32(exitCode);
    if (mode & 4) writer.bytes(serializeTuple(stack).toBoc());
    return writer.end();
  }
}

function unknown(what) {
  throw new Error(`${what} is not in the db`);
}
