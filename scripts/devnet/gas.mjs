#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTRACTS_FOLDER } from './lib/contracts.mjs';
import { GAS_FILE, README_FILE, replaceTable } from './lib/gastable.mjs';
import { measureAll } from './test/support/measure.mjs';

const measured = await measureAll();
writeFileSync(join(CONTRACTS_FOLDER, GAS_FILE), `${JSON.stringify(measured, null, 2)}\n`);
const readme = join(CONTRACTS_FOLDER, README_FILE);
writeFileSync(readme, replaceTable(readFileSync(readme, 'utf8'), measured));
