import { Cell, beginCell, loadShardAccount, storeShardAccount } from '@ton/core';

const NO_TRANSACTION = { lt: 0n, hash: Buffer.alloc(32) };

/** The serialised state of an address that nobody has touched. */
export const EMPTY_SHARD_ACCOUNT = beginCell()
  .store(storeShardAccount({ account: null, lastTransactionHash: 0n, lastTransactionLt: 0n }))
  .endCell().toBoc().toString('base64');

/** What can be read of an account; built from the TVM's own serialisation, so that nothing is kept twice. */
export function readAccount(shardAccount) {
  const { account, lastTransactionHash, lastTransactionLt } = loadShardAccount(Cell.fromBase64(shardAccount).beginParse());
  if (!account) {
    return { status: 'uninitialized', exists: false, balance: 0n, code: null, data: null, frozenHash: null, last: NO_TRANSACTION };
  }
  const { state, balance } = account.storage;
  return {
    status: { active: 'active', uninit: 'uninitialized', frozen: 'frozen' }[state.type],
    exists: true,
    balance: balance.coins,
    code: state.type === 'active' ? state.state.code ?? null : null,
    data: state.type === 'active' ? state.state.data ?? null : null,
    frozenHash: state.type === 'frozen' ? bigintToHash(state.stateHash) : null,
    last: { lt: lastTransactionLt, hash: bigintToHash(lastTransactionHash) },
  };
}

function bigintToHash(value) {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}
