#!/usr/bin/env node
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPILED_FOLDER, compileContracts } from './lib/contracts.mjs';

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== '--check')) {
  process.stderr.write('usage: node compile.mjs [--check]\n');
  process.exit(2);
}

function committed(name) {
  try {
    return readFileSync(join(COMPILED_FOLDER, name));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const files = await compileContracts();
if (option === '--check') {
  const stale = [...files].filter(([name, bytes]) => !committed(name)?.equals(bytes)).map(([name]) => name);
  if (stale.length > 0) {
    process.stderr.write(`error: Contracts/Compiled is not what the sources compile to: ${stale.join(', ')}\nhint: run ./scripts/contracts and commit the result\n`);
    process.exit(1);
  }
} else {
  mkdirSync(COMPILED_FOLDER, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(COMPILED_FOLDER, name), bytes);
}
for (const { name, codeHash } of JSON.parse(files.get('contracts.json')).contracts) process.stdout.write(`${codeHash}  ${name}\n`);
