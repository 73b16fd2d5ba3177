import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMPILED_FOLDER, compileContracts } from '../../lib/contracts.mjs';

test('Compiled: the committed code is what the sources compile to, and nothing else is there', async () => {
  const files = await compileContracts();
  assert.deepEqual(readdirSync(COMPILED_FOLDER).sort(), [...files.keys()].sort());
  for (const [name, bytes] of files) assert.ok(readFileSync(join(COMPILED_FOLDER, name)).equals(bytes), `${name}: run ./scripts/contracts`);
});
