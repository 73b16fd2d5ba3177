import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONTRACTS_FOLDER } from '../../lib/contracts.mjs';
import { GAS_FILE, README_FILE, renderTable } from '../../lib/gastable.mjs';
import { measureAll } from '../support/measure.mjs';

const TOLERANCE = 0.05;
const committed = JSON.parse(readFileSync(join(CONTRACTS_FOLDER, GAS_FILE), 'utf8'));

function assertClose(actual, expected, what) {
  assert.ok(Math.abs(actual - expected) <= expected * TOLERANCE, `${what}: ${actual}, committed ${expected}: run ./scripts/contracts if that is meant`);
}

test('Gas: every operation costs what gas.json says, within 5 %', async () => {
  const measured = await measureAll();
  assert.deepEqual(measured.code, committed.code);
  assert.deepEqual(measured.operations.map(({ name }) => name), committed.operations.map(({ name }) => name));
  measured.operations.forEach(({ name, gas, fees }, i) => {
    assertClose(gas, committed.operations[i].gas, `${name}, gas`);
    for (const [prices, fee] of Object.entries(fees)) assertClose(fee, committed.operations[i].fees[prices], `${name}, fees at ${prices}`);
  });
});

test('Gas: the README shows the table of gas.json', () => {
  assert.ok(readFileSync(join(CONTRACTS_FOLDER, README_FILE), 'utf8').includes(renderTable(committed)), 'run ./scripts/contracts');
});
