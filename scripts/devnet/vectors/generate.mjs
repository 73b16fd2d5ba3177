// Questions with answers about TON formats, made with the official libraries, one JSON line each:
//   node vectors/generate.mjs [--seed N] [--count N]
// The .NET side answers them (`dotnet run --project Cocoon.Tests -- ton-vectors`); its tests compare.
import { parseArgs } from 'node:util';
import { Random } from '../test/support/random.mjs';
import * as cells from './cells.mjs';
import * as accounts from './accounts.mjs';

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '40' } } });
const count = Number(values.count);
const kinds = { ...cells.kinds, ...accounts.kinds };
for (const [kind, make] of Object.entries(kinds)) {
  const random = new Random(Number(values.seed) * 0x9e37 + kind.length * 7919 + kind.charCodeAt(0));
  // Keys of 24 words take 100,000 rounds of hashing each.
  const wanted = kind === 'mnemonic' ? Math.ceil(count / 10) : count;
  for (let i = 0; i < wanted; i++) {
    const vector = await make(random, i);
    process.stdout.write(`${JSON.stringify({ id: `${kind}-${i}`, kind, in: vector.in, out: vector.out })}\n`);
  }
}
