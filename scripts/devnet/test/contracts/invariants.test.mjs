import { test } from 'node:test';
import { loadCode } from '../../lib/contracts.mjs';
import { PRICE_SETS } from '../../lib/network.mjs';
import { ChannelWalk } from '../support/channelwalk.mjs';
import { World } from '../support/world.mjs';

// More of both before a change of the contracts is committed: COCOON_WALKS=1000 COCOON_SEED=… npm test
const WALKS = Number(process.env.COCOON_WALKS ?? 16);
const STEPS = 64;
const SEED = Number(process.env.COCOON_SEED ?? 20_260_601);

for (const prices of PRICE_SETS) {
  test(`Channel (${prices}): ${WALKS} random walks of ${STEPS} steps keep the invariants`, async (t) => {
    const code = loadCode('Channel');
    const world = await World.open(prices);
    t.after(() => world.close());
    const seen = new Map();
    for (let i = 0; i < WALKS; i++) {
      world.reset();
      const walk = new ChannelWalk(world, code, SEED + i);
      try {
        await walk.run(STEPS);
      } catch (error) {
        throw new Error(`seed ${SEED + i}, step ${walk.log.length}: ${error.message}\n${walk.log.join('\n')}`, { cause: error });
      }
      for (const [key, count] of walk.seen) seen.set(key, (seen.get(key) ?? 0) + count);
    }
    t.diagnostic([...seen].sort().map(([key, count]) => `${key} ${count}`).join(', '));
  });
}
