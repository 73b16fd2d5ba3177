import { DEVNET_GLOBAL_ID } from './network.mjs';
import { invalid } from './errors.mjs';
import * as read from './params.mjs';
import { shortTransactionId } from './shapes.mjs';

const MAX_MINT = 10n ** 18n;
const MAX_STEP_SECONDS = 10 * 365 * 86_400;
const MAX_TIME = 2 ** 32 - 1;
const MAX_BLOCKS = 1_000;

/** What a test may do to the chain and no real network offers. */
export function controlMethods(chain, { blockMs }) {
  const status = () => ({
    network: 'devnet',
    global_id: DEVNET_GLOBAL_ID,
    prices: chain.prices,
    block_ms: blockMs,
    now: chain.clock.now(),
    frozen: chain.clock.frozen,
    seqno: chain.seqno,
    ...chain.counters,
  });

  return {
    status,

    /** Answers when the money has arrived. */
    async faucet(params) {
      const address = read.addressParam(params);
      const amount = read.bigParam(params, 'amount', { max: MAX_MINT });
      if (amount === 0n) throw invalid('amount: zero');
      const record = await chain.mint(address, amount);
      return { balance: chain.account(address).balance.toString(), transaction: shortTransactionId(record) };
    },

    /** `{advance}` or `{set}` in seconds, `{freeze}` to stop or start the clock; mines a block. */
    async time(params) {
      const advance = read.integerParam(params, 'advance', { min: 0, max: MAX_STEP_SECONDS, fallback: null });
      const set = read.integerParam(params, 'set', { min: 0, max: MAX_TIME, fallback: null });
      const freeze = read.boolParam(params, 'freeze', null);
      if (advance === null && set === null && freeze === null) throw invalid('give advance, set or freeze');
      if (advance !== null && set !== null) throw invalid('give advance or set, not both');
      await chain.setTime((clock) => {
        const target = set ?? clock.now() + (advance ?? 0);
        if (target < clock.now()) throw invalid(`set: chain time only goes forward, and it is ${clock.now()}`);
        if (target > MAX_TIME) throw invalid('the chain has no later time than 2^32 - 1');
        clock.set(target);
        if (freeze === true) clock.freeze();
        if (freeze === false) clock.thaw();
      });
      return status();
    },

    async mine(params) {
      await chain.mine(read.integerParam(params, 'count', { min: 1, max: MAX_BLOCKS, fallback: 1 }));
      return status();
    },

    snapshot: async () => ({ id: await chain.snapshot() }),

    async restore(params) {
      await chain.restore(read.integerParam(params, 'id', { min: 1, max: 2 ** 31 - 1 }));
      return status();
    },
  };
}
