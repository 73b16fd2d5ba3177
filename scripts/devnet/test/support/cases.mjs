import { test } from 'node:test';
import { PRICE_SETS } from '../../lib/network.mjs';
import { World } from './world.mjs';

/** Runs directed cases with both price sets, each in a fresh world. */
export function runCases(subject, cases, code) {
  for (const prices of PRICE_SETS) {
    for (const { name, run } of cases) {
      test(`${subject} (${prices}): ${name}`, async () => {
        const world = await World.open(prices);
        try {
          await run(world, code);
        } finally {
          world.close();
        }
      });
    }
  }
}
