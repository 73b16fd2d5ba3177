import { createHash } from 'node:crypto';
import { Address, Cell, beginCell, loadTransaction, storeStateInit } from '@ton/core';

/** The JSON of toncenter v2: what each answer looks like, and nothing about where it comes from. */

export const WHOLE_SHARD = '-9223372036854775808';
const TEXT_COMMENT = 0;

export function blockId(workchain, seqno) {
  return {
    '@type': 'ton.blockIdExt',
    workchain,
    shard: WHOLE_SHARD,
    seqno,
    root_hash: pseudoHash('root', workchain, seqno),
    file_hash: pseudoHash('file', workchain, seqno),
  };
}

/** There are no block cells behind these ids: the hashes only have to be stable and distinct. */
function pseudoHash(kind, workchain, seqno) {
  return createHash('sha256').update(`cocoon devnet ${kind} ${workchain} ${seqno}`).digest('base64');
}

export function masterchainInfo(seqno) {
  return {
    '@type': 'blocks.masterchainInfo',
    last: blockId(-1, seqno),
    state_root_hash: pseudoHash('state', -1, seqno),
    init: blockId(-1, 0),
  };
}

export function transactionId({ lt, hash }) {
  return { '@type': 'internal.transactionId', lt: lt.toString(), hash: hash.toString('base64') };
}

export function addressInformation(account, seqno, utime) {
  return {
    '@type': 'raw.fullAccountState',
    balance: account.balance.toString(),
    extra_currencies: [],
    code: base64(account.code),
    data: base64(account.data),
    last_transaction_id: transactionId(account.last),
    block_id: blockId(-1, seqno),
    frozen_hash: account.frozenHash?.toString('base64') ?? '',
    sync_utime: utime,
    state: account.status,
  };
}

export function transaction({ boc, address }) {
  const cell = Cell.fromBase64(boc);
  const parsed = loadTransaction(cell.beginParse());
  const outMessages = parsed.outMessages.values();
  const storageFee = parsed.description.storagePhase?.storageFeesCollected ?? 0n;
  const fee = outMessages.reduce((sum, { info }) => sum + (info.type === 'internal' ? info.forwardFee : 0n), parsed.totalFees.coins);
  return {
    '@type': 'raw.transaction',
    address: { '@type': 'accountAddress', account_address: friendly(Address.parseRaw(address)) },
    utime: parsed.now,
    data: boc,
    transaction_id: transactionId({ lt: parsed.lt, hash: cell.hash() }),
    fee: fee.toString(),
    storage_fee: storageFee.toString(),
    other_fee: (fee - storageFee).toString(),
    ...(parsed.inMessage ? { in_msg: message(parsed.inMessage) } : {}),
    out_msgs: outMessages.map(message),
  };
}

function message({ info, body, init }) {
  const internal = info.type === 'internal';
  const text = readComment(body);
  const initState = init ? base64(beginCell().store(storeStateInit(init)).endCell()) : '';
  return {
    '@type': 'raw.message',
    source: friendly(info.src),
    destination: friendly(info.dest),
    value: (internal ? info.value.coins : 0n).toString(),
    fwd_fee: (internal ? info.forwardFee : 0n).toString(),
    ihr_fee: '0',
    created_lt: (info.createdLt ?? 0n).toString(),
    body_hash: body.hash().toString('base64'),
    msg_data: text === undefined
      ? { '@type': 'msg.dataRaw', body: base64(body), init_state: initState }
      : { '@type': 'msg.dataText', text: Buffer.from(text, 'utf8').toString('base64') },
    message: text ?? '',
  };
}

function readComment(body) {
  const slice = body.beginParse();
  if (slice.remainingBits < 40 || slice.preloadUint(32) !== TEXT_COMMENT || slice.remainingBits % 8 !== 0) return undefined;
  slice.loadUint(32);
  try {
    return slice.loadStringTail();
  } catch {
    return undefined;
  }
}

export function shortTransactionId({ address, lt, hash }) {
  return { '@type': 'blocks.shortTxId', mode: 135, account: address, lt, hash: Buffer.from(hash, 'hex').toString('base64') };
}

function friendly(address) {
  return Address.isAddress(address) ? address.toString() : '';
}

export function base64(cell) {
  return cell ? cell.toBoc().toString('base64') : '';
}
