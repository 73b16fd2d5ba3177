// Our TON client beside @ton/core, in one run. Options: --rounds N, --cells N, -o json
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Address, Cell, beginCell } from '@ton/core';
import { startDevnet } from './lib/devnet.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, cells: { type: 'string', default: '10000' }, output: { type: 'string', short: 'o', default: 'text' } } });
const ROUNDS = Number(values.rounds);
const program = fileURLToPath(new URL('../../Cocoon.Tests/bin/Release/net10.0/Cocoon.Tests.dll', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cocoon-bench-'));
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const tool = (...args) => spawn('dotnet', [program, 'ton-bench', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });

/** A four-way tree of about so many distinct cells of 32 bytes and more. */
function bag(cells) {
  let made = 0;
  const cell = (refs) => {
    const builder = beginCell().storeBuffer(randomBytes(32 + (made++ % 64)));
    for (const ref of refs) builder.storeRef(ref);
    return builder.endCell();
  };
  let level = Array.from({ length: Math.ceil((cells * 3) / 4) }, () => cell([]));
  while (level.length > 1) {
    const above = [];
    for (let i = 0; i < level.length; i += 4) above.push(cell(level.slice(i, i + 4)));
    level = above;
  }
  return { boc: level[0].toBoc(), made };
}

async function parsing() {
  const { boc, made } = bag(Number(values.cells));
  const path = join(folder, 'bag.boc');
  writeFileSync(path, boc);
  const child = tool('boc', path);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ours = [];
  const theirs = [];
  for (let round = 0; round < ROUNDS + 10; round++) {
    const start = process.hrtime.bigint();
    const hash = Cell.fromBoc(boc)[0].hash().toString('hex');
    const theirTime = Number(process.hrtime.bigint() - start) / 1e6;
    child.stdin.write('\n');
    const [ourHash, ourTime] = (await lines.next()).value.split(' ');
    if (ourHash !== hash) throw new Error('the two disagree about the root hash');
    // The first rounds let both compilers settle.
    if (round >= 10) {
      theirs.push(theirTime);
      ours.push(Number(ourTime));
    }
  }
  child.stdin.end();
  return { what: `parse and hash a bag of ${made} cells (${boc.length} bytes)`, ours_ms: median(ours), ton_core_ms: median(theirs), ratio: median(theirs) / median(ours), budget: 'ratio >= 5' };
}

async function output(child) {
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  const code = await new Promise((resolve) => (child.exitCode === null ? child.on('exit', resolve) : resolve(child.exitCode)));
  if (code !== 0) throw new Error(`the tool ended with ${code}: ${text}`);
  return text.trim();
}

async function transfer(blockMs) {
  const devnet = await startDevnet({ blockMs });
  const times = [];
  try {
    for (let round = 0; round < 5; round++) {
      const seed = randomBytes(32).toString('hex');
      const address = await output(tool('address', seed));
      await devnet.chain.mint(Address.parse(address), 1_000_000_000n);
      const start = process.hrtime.bigint();
      await output(tool('transfer', `${devnet.url}/api/v2/`, seed, `0:${randomBytes(32).toString('hex')}`));
      times.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
  } finally {
    await devnet.close();
  }
  return { what: `cold wallet transfer, process start to delivery, ${blockMs === 0 ? 'blocks at once' : `a block every ${blockMs} ms`}`, ours_ms: median(times), budget: 'under 2000 ms' };
}

try {
  const results = [await parsing(), await transfer(0), await transfer(400)];
  if (values.output === 'json') process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else for (const r of results) process.stdout.write(`${r.what}: ${r.ours_ms.toFixed(2)} ms${r.ratio ? `, @ton/core ${r.ton_core_ms.toFixed(2)} ms, ratio ${r.ratio.toFixed(1)}` : ''} (budget: ${r.budget})\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
