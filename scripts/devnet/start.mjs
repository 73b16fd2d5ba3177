#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startDevnet } from './lib/devnet.mjs';
import { PRICE_SETS } from './lib/network.mjs';

const USAGE = `usage: node start.mjs --port P [options]

A TON chain on 127.0.0.1: toncenter v2 under /api/v2/, control calls under /devnet/.
Prints one line {"port":…,"url":…} on stdout when it is ready. Port 0 picks a free one.

  --port P         TCP port on 127.0.0.1
  --data DIR       keep the chain in DIR
  --block-ms N     0 (default): run each message at once; else a block every N ms
  --prices SET     ${PRICE_SETS.join(' or ')} (default ${PRICE_SETS[0]})
  --lite-port P    also be a lite-server (ADNL) on this TCP port of 127.0.0.1
  --lite-config F  write the network's global configuration for it to F
  --stdin-guard    stop when stdin closes, so that the devnet does not outlive its parent
`;

function usageError(message) {
  process.stderr.write(`error: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function integer(name, text, max) {
  if (!/^[0-9]+$/.test(text ?? '') || Number(text) > max) usageError(`--${name} takes an integer from 0 to ${max}`);
  return Number(text);
}

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        port: { type: 'string' },
        data: { type: 'string' },
        'block-ms': { type: 'string', default: '0' },
        prices: { type: 'string', default: PRICE_SETS[0] },
        'lite-port': { type: 'string' },
        'lite-config': { type: 'string' },
        'stdin-guard': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    usageError(error.message);
  }
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  if (values['lite-config'] !== undefined && values['lite-port'] === undefined) usageError('--lite-config needs --lite-port');
  if (!PRICE_SETS.includes(values.prices)) usageError(`--prices takes ${PRICE_SETS.join(' or ')}`);
  return {
    port: integer('port', values.port, 65_535),
    blockMs: integer('block-ms', values['block-ms'], 60_000),
    data: values.data,
    prices: values.prices,
    litePort: values['lite-port'] === undefined ? undefined : integer('lite-port', values['lite-port'], 65_535),
    liteConfig: values['lite-config'],
    stdinGuard: values['stdin-guard'],
  };
}

const options = readOptions();
let devnet;
try {
  devnet = await startDevnet(options);
  if (options.liteConfig !== undefined) writeFileSync(options.liteConfig, `${devnet.lite.config}\n`);
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`);
  process.exit(1);
}

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  await devnet.close();
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
if (options.stdinGuard) {
  process.stdin.on('end', stop);
  process.stdin.on('error', stop);
  process.stdin.resume();
}
process.stdout.write(`${JSON.stringify({ port: devnet.port, url: devnet.url, ...(devnet.lite ? { litePort: devnet.lite.port } : {}) })}\n`);
