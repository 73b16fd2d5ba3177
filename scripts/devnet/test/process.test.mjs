import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { calls } from './support/network.mjs';

const START = new URL('../start.mjs', import.meta.url).pathname;
const ADDRESS = `0:${'22'.repeat(32)}`;

async function start(t, ...options) {
  const child = spawn(process.execPath, [START, '--port', '0', ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const { port, url } = JSON.parse(line);
  assert.equal(url, `http://127.0.0.1:${port}`);
  return { child, exited, ...calls(url) };
}

function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'cocoon-devnet-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('Process: ends with 0 on SIGTERM and when stdin closes under --stdin-guard', async (t) => {
  const terminated = await start(t);
  terminated.child.kill('SIGTERM');
  assert.deepEqual(await terminated.exited, [0, null]);

  const guarded = await start(t, '--stdin-guard');
  guarded.child.stdin.end();
  assert.deepEqual(await guarded.exited, [0, null]);
});

test('Process: a wrong option is named and the exit code is 2', async () => {
  for (const options of [['--port', 'x'], ['--bogus'], ['--port', '0', '--prices', 'free'], []]) {
    const child = spawn(process.execPath, [START, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
    const text = child.stderr.setEncoding('utf8').toArray();
    assert.deepEqual(await once(child, 'exit'), [2, null]);
    assert.match((await text).join(''), /^error: .+/);
  }
});

test('Process: with --data nothing answered is lost, whether stopped or killed', async (t) => {
  const data = temporaryFolder(t);
  const first = await start(t, '--data', data);
  await first.control('faucet', { address: ADDRESS, amount: '100' });
  await first.control('time', { advance: 1_000_000 });
  const { now } = await first.control('status');
  first.child.kill('SIGKILL');
  await first.exited;
  // A kill in the middle of a write leaves part of a line.
  appendFileSync(join(data, 'journal.jsonl'), '{"seqno":99,"utime":');

  const second = await start(t, '--data', data);
  assert.ok((await second.control('status')).now >= now);
  assert.equal((await second.rpc('getAddressBalance', { address: ADDRESS })).result, '100');
  const { balance } = await second.control('faucet', { address: ADDRESS, amount: '1000000000' });
  second.child.kill('SIGTERM');
  await second.exited;

  const third = await start(t, '--data', data);
  assert.equal((await third.rpc('getAddressBalance', { address: ADDRESS })).result, balance);
  const history = (await third.rpc('getTransactions', { address: ADDRESS, limit: 10 })).result;
  assert.deepEqual(history.map((transaction) => transaction.in_msg.value), ['1000000000', '100']);
  assert.equal((await third.control('status')).transactions, 2);
});

test('Process: a folder made with other prices is refused with the reason', async (t) => {
  const data = temporaryFolder(t);
  const first = await start(t, '--data', data);
  first.child.kill('SIGTERM');
  await first.exited;
  const child = spawn(process.execPath, [START, '--port', '0', '--data', data, '--prices', 'sandbox'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const text = child.stderr.setEncoding('utf8').toArray();
  assert.deepEqual(await once(child, 'exit'), [1, null]);
  assert.match((await text).join(''), /made with --prices 2026/);
});
