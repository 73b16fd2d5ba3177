import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { beginCell } from '@ton/core';
import { openNetwork } from './support/network.mjs';

const ADDRESS = `0:${'11'.repeat(32)}`;

test('HTTP: each method answers by JSON-RPC, POST and GET alike', async (t) => {
  const { devnet, rpc, post, control } = await openNetwork(t);
  await control('faucet', { address: ADDRESS, amount: '12345' });
  const byRpc = await rpc('getAddressBalance', { address: ADDRESS });
  const byPost = await post('/api/v2/getAddressBalance', { address: ADDRESS });
  const byGet = await (await fetch(`${devnet.url}/api/v2/getAddressBalance?address=${ADDRESS}`)).json();
  assert.deepEqual([byRpc.result, byPost.result, byGet.result], ['12345', '12345', '12345']);
  assert.deepEqual([byRpc.id, byRpc.jsonrpc], [1, '2.0']);
});

test('HTTP: what is wrong with a request is said, with the status in the body', async (t) => {
  const { devnet, rpc, post } = await openNetwork(t);
  const cases = [
    [await rpc('noSuchMethod', {}), 404],
    [await rpc('constructor', {}), 404],
    [await rpc('getAddressBalance', {}), 422],
    [await rpc('getAddressBalance', { address: 'rubbish' }), 422],
    [await rpc('sendBoc', { boc: '***' }), 422],
    [await rpc('sendBoc', { boc: randomBytes(70_000).toString('base64') }), 422],
    [await rpc('sendBoc', { boc: beginCell().endCell().toBoc().toString('base64') }), 422],
    [await rpc('runGetMethod', { address: ADDRESS, method: 'x', stack: [['num', 'twelve']] }), 422],
    [await rpc('getTransactions', { address: ADDRESS, limit: 0 }), 422],
    [await rpc('getTransactions', { address: ADDRESS, lt: '1', hash: '00'.repeat(32) }), 500],
    [await rpc('getConfigParam', { config_id: 4242 }), 404],
    [await rpc('shards', { seqno: 999_999 }), 500],
    [await post('/api/v2/jsonRPC', 'not json'), 400],
    [await post('/api/v2/jsonRPC', '[]'), 400],
    [await post('/api/v2/jsonRPC', `{"x":"${'a'.repeat(1 << 20)}"}`), 413],
    [await post('/elsewhere', {}), 404],
    [await post('/devnet/faucet', { address: ADDRESS, amount: '0' }), 422],
    [await post('/devnet/faucet', { address: ADDRESS, amount: '-1' }), 422],
    [await post('/devnet/time', {}), 422],
    [await post('/devnet/time', { set: 1 }), 422],
    [await post('/devnet/restore', { id: 7 }), 404],
  ];
  for (const [answer, status] of cases) {
    assert.deepEqual([answer.status, answer.ok, answer.code], [status, false, status], answer.error);
    assert.ok(answer.error.length > 5);
  }
  assert.equal((await fetch(`${devnet.url}/devnet/faucet`)).status, 405);
});

test('HTTP: a foreign Host header is refused', async (t) => {
  const { devnet } = await openNetwork(t);
  const status = await new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: devnet.port, path: '/devnet/status', headers: { Host: 'rebound.example' } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject).end();
  });
  assert.equal(status, 403);
});

test('HTTP: mutated bags of cells and garbage bodies never stop the devnet', async (t) => {
  const { rpc, post, control } = await openNetwork(t);
  const external = beginCell().storeUint(0b1000100, 7).storeInt(0, 8).storeBuffer(Buffer.alloc(32, 0x11)).storeCoins(0)
    .storeBit(false).storeBit(true).storeRef(beginCell().storeUint(1, 32).endCell()).endCell().toBoc();
  for (let i = 0; i < 200; i++) {
    const mutated = Buffer.from(external);
    mutated[i % mutated.length] ^= 1 + (i * 37) % 255;
    const answer = await rpc('sendBoc', { boc: mutated.subarray(0, i % 3 === 0 ? i % mutated.length : undefined).toString('base64') });
    assert.equal(answer.ok, false);
    const stack = await rpc('runGetMethod', { address: ADDRESS, method: 'x', stack: [['tvm.Cell', mutated.toString('base64')]] });
    assert.ok([200, 422].includes(stack.status));
    await post('/api/v2/jsonRPC', randomBytes(i).toString('latin1'));
  }
  assert.equal((await control('status')).dropped, 0);
});
