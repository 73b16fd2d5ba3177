import { Address, Cell, Dictionary, beginCell, external, storeMessage } from '@ton/core';
import { ApiError, invalid } from './errors.mjs';
import * as read from './params.mjs';
import * as shapes from './shapes.mjs';
import { formatStack, parseStackArguments } from './stack.mjs';

const MAX_TRANSACTIONS = 100;
const MAX_BLOCK_TRANSACTIONS = 1_000;
const MAX_UINT64 = (1n << 64n) - 1n;

const WALLET_CODE_HASHES = new Map([
  ['84dafa449f98a6987789ba232358072bc0f76dc4524002a5d0918b9a75d2d599', 'wallet v3 r2'],
  ['feb5ff6820e2ff0d9483e7e0d62c817d846789fb4ae580c878866d959dabd5c0', 'wallet v4 r2'],
  ['20834b7b72b112147e1b2fb457b84e74d1a30f04f737d4f62a668e9552d2b72f', 'wallet v5 r1'],
]);

/** The methods of toncenter v2 over one chain: name to function from parameters to result. */
export function toncenterMethods(chain) {
  const head = () => chain.seqno;

  return {
    getMasterchainInfo: () => shapes.masterchainInfo(head()),

    getAddressInformation: (params) => shapes.addressInformation(chain.account(read.addressParam(params)), head(), chain.clock.now()),

    getAddressBalance: (params) => chain.account(read.addressParam(params)).balance.toString(),

    getAddressState: (params) => chain.account(read.addressParam(params)).status,

    async getWalletInformation(params) {
      const address = read.addressParam(params);
      const account = chain.account(address);
      const walletType = WALLET_CODE_HASHES.get(account.code?.hash().toString('hex'));
      const seqno = walletType && await chain.runGetMethod(address, read.methodParam({ method: 'seqno' }), []);
      return {
        wallet: walletType !== undefined,
        balance: account.balance.toString(),
        account_state: account.status,
        ...(walletType ? { wallet_type: walletType, seqno: Number(seqno.stack[0].value) } : {}),
        last_transaction_id: shapes.transactionId(account.last),
      };
    },

    async runGetMethod(params) {
      const result = await chain.runGetMethod(
        read.addressParam(params),
        read.methodParam(params),
        parseStackArguments(typeof params.stack === 'string' ? parseJson(params.stack) : params.stack));
      return {
        '@type': 'smc.runResult',
        gas_used: Number(result.gasUsed),
        exit_code: result.exitCode,
        stack: formatStack(result.stack),
      };
    },

    async sendBoc(params) {
      await chain.submit(read.bytesParam(params, 'boc'));
      return { '@type': 'ok' };
    },

    async sendBocReturnHash(params) {
      const { hash, normalizedHash } = await chain.submit(read.bytesParam(params, 'boc'));
      return { '@type': 'raw.extMessageInfo', hash: hash.toString('base64'), hash_norm: normalizedHash.toString('base64') };
    },

    getTransactions(params) {
      const limit = read.integerParam(params, 'limit', { min: 1, max: MAX_TRANSACTIONS + 1, fallback: 10 });
      return selectTransactions(chain, params).slice(0, limit).map(shapes.transaction);
    },

    tryLocateTx: (params) => locateByMessage(chain, params, 'destination'),
    tryLocateResultTx: (params) => locateByMessage(chain, params, 'destination'),
    tryLocateSourceTx: (params) => locateByMessage(chain, params, 'source'),

    async estimateFee(params) {
      const address = read.addressParam(params);
      const code = read.cellParam(params, 'init_code', { optional: true });
      const data = read.cellParam(params, 'init_data', { optional: true });
      const message = external({
        to: address,
        body: read.cellParam(params, 'body'),
        init: code && data ? { code, data } : null,
      });
      const { transaction } = await chain.simulate(
        beginCell().store(storeMessage(message)).endCell(), address,
        { ignoreSignature: read.boolParam(params, 'ignore_chksig', true) });
      return estimate(transaction);
    },

    shards(params) {
      return { '@type': 'blocks.shards', shards: [shapes.blockId(0, knownSeqno(chain, params))] };
    },

    getBlockTransactions(params) {
      const seqno = knownSeqno(chain, params);
      const workchain = read.integerParam(params, 'workchain', { min: -1, max: 0 });
      if (params.shard !== undefined && params.shard.toString() !== shapes.WHOLE_SHARD) throw invalid('shard: the devnet has one shard per workchain');
      const count = read.integerParam(params, 'count', { min: 1, max: MAX_BLOCK_TRANSACTIONS, fallback: MAX_BLOCK_TRANSACTIONS });
      const all = chain.block(seqno).transactions.filter(({ address }) => address.startsWith(`${workchain}:`));
      return {
        '@type': 'blocks.transactions',
        id: shapes.blockId(workchain, seqno),
        req_count: count,
        incomplete: all.length > count,
        transactions: all.slice(0, count).map(shapes.shortTransactionId),
      };
    },

    getConfigParam(params) {
      const id = read.integerParam(params, params.param === undefined ? 'config_id' : 'param', { min: -(2 ** 31), max: 2 ** 31 - 1 });
      const value = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), chain.config).get(id);
      if (!value) throw new ApiError(404, `the configuration has no parameter ${id}`);
      return configInfo(value);
    },

    getConfigAll: () => configInfo(chain.config),

    packAddress: (params) => read.addressParam(params).toString(),

    unpackAddress: (params) => read.addressParam(params).toRawString(),
  };
}

function configInfo(cell) {
  return { '@type': 'configInfo', config: { '@type': 'tvm.cell', bytes: shapes.base64(cell) } };
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('stack: not JSON');
  }
}

function knownSeqno(chain, params) {
  const seqno = read.integerParam(params, 'seqno', { min: 0, max: 2 ** 31 - 1 });
  if (seqno > chain.seqno) throw new ApiError(500, `LITE_SERVER_NOTREADY: block ${seqno} is not there yet: the last one is ${chain.seqno}`);
  return seqno;
}

/** Newest first, from (lt, hash) or from the account's last transaction, down to but without `to_lt`. */
function selectTransactions(chain, params) {
  const address = read.addressParam(params);
  const lt = read.bigParam(params, 'lt', { max: MAX_UINT64, optional: true });
  const hash = read.hashParam(params, 'hash', { optional: true });
  const toLt = read.bigParam(params, 'to_lt', { max: MAX_UINT64, optional: true }) ?? 0n;
  if ((lt === undefined) !== (hash === undefined)) throw invalid('lt and hash: give both or none');
  const history = chain.history(address);
  let start = history.length - 1;
  if (lt !== undefined) {
    const hex = hash.toString('hex');
    start = history.findIndex((entry) => entry.hash === hash.toString('hex') && BigInt(entry.lt) === lt);
    if (start < 0) throw new ApiError(500, `LITE_SERVER_UNKNOWN: cannot locate transaction ${lt}:${hex} of this account`);
  } else if (!chain.account(address).exists) {
    // As on a real network: a destroyed account has no last transaction to start from.
    return [];
  }
  return history.slice(0, start + 1).reverse().filter((entry) => BigInt(entry.lt) > toLt);
}

function locateByMessage(chain, params, side) {
  const source = read.addressParam(params, 'source');
  const destination = read.addressParam(params, 'destination');
  const createdLt = read.bigParam(params, 'created_lt', { max: MAX_UINT64 }).toString();
  const matches = (message) => message && message.created_lt === createdLt
    && sameAddress(message.source, source) && sameAddress(message.destination, destination);
  for (const record of chain.history(side === 'source' ? source : destination)) {
    const candidate = shapes.transaction(record);
    const messages = side === 'source' ? candidate.out_msgs : [candidate.in_msg];
    if (messages.some(matches)) return candidate;
  }
  throw new ApiError(404, 'no such message');
}

function sameAddress(text, address) {
  return text !== '' && Address.parse(text).equals(address);
}

function estimate({ totalFees, description }) {
  const storage = description.storagePhase?.storageFeesCollected ?? 0n;
  const gas = description.computePhase?.type === 'vm' ? description.computePhase.gasFees : 0n;
  const forward = description.actionPhase?.totalFwdFees ?? 0n;
  const actions = description.actionPhase?.totalActionFees ?? 0n;
  return {
    '@type': 'query.fees',
    source_fees: {
      '@type': 'fees',
      in_fwd_fee: Number(totalFees.coins - storage - gas - actions),
      storage_fee: Number(storage),
      gas_fee: Number(gas),
      fwd_fee: Number(forward),
    },
    destination_fees: [],
  };
}
