import { Chain } from './chain.mjs';
import { Clock } from './clock.mjs';
import { controlMethods } from './control.mjs';
import { LiteServer } from './lite/server.mjs';
import { startServer } from './server.mjs';
import { Store } from './store.mjs';
import { toncenterMethods } from './toncenter.mjs';

/** One devnet: chain, optional folder, HTTP server, optional lite-server and, when blocks are timed, the block producer. */
export async function startDevnet({ port = 0, data, blockMs = 0, prices = '2026', clock = new Clock(), litePort } = {}) {
  const chain = await Chain.create({ prices, queued: blockMs > 0, clock });
  const store = data === undefined ? undefined : Store.open(data, chain);
  const server = await startServer({ port, toncenter: toncenterMethods(chain), control: controlMethods(chain, { blockMs }) });
  const lite = litePort === undefined ? undefined : await LiteServer.start(chain, litePort);
  const producer = blockMs > 0 ? startProducer(chain, blockMs) : undefined;
  const actualPort = server.address().port;

  return {
    chain,
    port: actualPort,
    lite,
    url: `http://127.0.0.1:${actualPort}`,
    async close() {
      await producer?.stop();
      await lite?.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await chain.idle();
      store?.close();
    },
  };
}

function startProducer(chain, blockMs) {
  let mining = Promise.resolve();
  const timer = setInterval(() => {
    mining = mining.then(() => chain.mine()).catch((error) => process.stderr.write(`block failed: ${error.message}\n`));
  }, blockMs);
  return {
    async stop() {
      clearInterval(timer);
      await mining;
    },
  };
}
