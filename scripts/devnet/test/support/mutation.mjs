import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { CONTRACTS_FOLDER } from '../../lib/contracts.mjs';
import { compileTolk } from '../../lib/tolk.mjs';
import { MUTANTS } from './mutants.mjs';
import { World } from './world.mjs';

function mutatedSource(path, { file, from, to }) {
  const source = readFileSync(path, 'utf8');
  if (basename(path) !== file) return source;
  assert.equal(source.split(from).length, 2, `"${from}" must occur once in ${file}: the list of mutants is out of date`);
  return source.replace(from, () => to);
}

/** The first directed case that fails on the mutant's code. */
async function findKiller(cases, { by }, code) {
  const ordered = [...cases.filter(({ name }) => name.startsWith(by)), ...cases.filter(({ name }) => !name.startsWith(by))];
  for (const { name, run } of ordered) {
    const world = await World.open('2026');
    try {
      await run(world, code);
    } catch {
      return name;
    } finally {
      world.close();
    }
  }
  return undefined;
}

/** One test per mutant of `contract`: it compiles, and the cases that are meant to notice it do. */
export function runMutants(contract, cases) {
  for (const mutant of MUTANTS.filter((candidate) => candidate.contract === contract)) {
    test(`Mutant of ${contract} is noticed: ${mutant.name}`, async () => {
      assert.ok(cases.some(({ name }) => name.startsWith(mutant.by)), `no case begins with "${mutant.by}"`);
      const { code } = await compileTolk(join(CONTRACTS_FOLDER, `${contract}.tolk`), (path) => mutatedSource(path, mutant));
      const killer = await findKiller(cases, mutant, code);
      assert.ok(killer, 'every case passes on the mutant');
      assert.ok(killer.startsWith(mutant.by), `only noticed by "${killer}"`);
    });
  }
}
