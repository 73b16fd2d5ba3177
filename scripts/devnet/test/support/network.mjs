import { randomBytes } from 'node:crypto';
import { keyPairFromSeed } from '@ton/crypto';
import { TonClient } from '@ton/ton';
import { Clock } from '../../lib/clock.mjs';
import { startDevnet } from '../../lib/devnet.mjs';

/**
 * A devnet with the official client on it; `t.after` ends both. Its wall clock stands still: rent of a second
 * more or less would make balances depend on the machine's load.
 */
export async function openNetwork(t, options = {}) {
  const wall = Math.floor(Date.now() / 1000);
  const devnet = await startDevnet({ clock: new Clock(() => wall), ...options });
  t.after(() => devnet.close());
  const client = new TonClient({ endpoint: `${devnet.url}/api/v2/jsonRPC` });
  return { devnet, client, ...calls(devnet.url) };
}

export function calls(url) {
  const post = async (path, body) => {
    const response = await fetch(`${url}${path}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body ?? {}) });
    return { status: response.status, ...await response.json() };
  };
  return {
    post,
    async control(name, params) {
      const answer = await post(`/devnet/${name}`, params);
      if (!answer.ok) throw new Error(answer.error);
      return answer.result;
    },
    rpc: (method, params) => post('/api/v2/jsonRPC', { id: 1, jsonrpc: '2.0', method, params }),
  };
}

export function newKey() {
  return keyPairFromSeed(randomBytes(32));
}
