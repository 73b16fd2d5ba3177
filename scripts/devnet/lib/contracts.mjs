import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cell } from '@ton/core';
import { getTolkCompilerVersion } from '@ton/tolk-js';
import { compileTolk } from './tolk.mjs';

export const CONTRACTS_FOLDER = fileURLToPath(new URL('../../../Cocoon.Protocol/Contracts', import.meta.url));
export const COMPILED_FOLDER = join(CONTRACTS_FOLDER, 'Compiled');
export const CONTRACT_NAMES = ['Channel', 'ProviderBond', 'Registry'];

/**
 * Compiles every contract: file name to bytes, as they belong into `Compiled/`.
 * `sourceHash` is SHA-256 over name, NUL, contents, NUL of each source by name, so that a check without the
 * compiler can tell whether a source changed after the last build.
 */
export async function compileContracts() {
  const files = new Map();
  const contracts = [];
  for (const name of CONTRACT_NAMES) {
    const { code, sources } = await compileTolk(join(CONTRACTS_FOLDER, `${name}.tolk`));
    files.set(`${name}.boc`, code.toBoc());
    const sorted = sources.toSorted((a, b) => (a.filename < b.filename ? -1 : 1));
    const hash = createHash('sha256');
    for (const { filename, contents } of sorted) hash.update(`${filename}\0${contents}\0`);
    contracts.push({
      name,
      codeHash: code.hash().toString('hex'),
      sourceHash: hash.digest('hex'),
      sources: sorted.map(({ filename }) => filename),
    });
  }
  const index = { compiler: `tolk ${await getTolkCompilerVersion()}`, contracts };
  files.set('contracts.json', Buffer.from(`${JSON.stringify(index, null, 2)}\n`));
  return files;
}

/** The committed code of one contract. */
export function loadCode(name) {
  return Cell.fromBoc(readFileSync(join(COMPILED_FOLDER, `${name}.boc`)))[0];
}
