// Entry of the demo: options, the run, the report, and cleaning up whatever happens.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Network } from './network.mjs';
import { keepNetwork, stopKept } from './kept.mjs';
import { askAndSettle } from './job.mjs';
import { printSummary, progress } from './report.mjs';

const { values: options } = parse({
  options: {
    root: { type: 'string' },
    configuration: { type: 'string', default: 'Release' },
    // For tests: where kept networks and receipts are remembered, and a program that stands for the build's.
    state: { type: 'string' },
    program: { type: 'string', multiple: true },
    prompt: { type: 'string', default: 'What is Cocoon?' },
    model: { type: 'string' },
    shape: { type: 'string', default: 'steady' },
    claim: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    output: { type: 'string', short: 'o', default: 'text' },
  },
});

function parse(config) {
  try {
    return parseArgs(config);
  } catch (error) {
    return fail(2, error.message, 'see ./scripts/demo --help');
  }
}

if (!['text', 'json'].includes(options.output)) fail(2, `-o ${options.output} is not known`, 'use -o json');
if (!['steady', 'fast', 'batch'].includes(options.shape)) fail(2, `there is no shape '${options.shape}'`, 'use steady, fast or batch');

options.state ??= join(options.root, '.data');
if (options.stop) {
  process.exit(await stopKept(options.state) ? 0 : 4);
}

const started = Date.now();
const network = new Network(options);
// A node that fails while others are still starting must not end the demo before it has cleaned up.
process.on('unhandledRejection', () => {});
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    progress('stopping');
    network.stop().finally(() => { network.clean(); process.exit(130); });
  });
}

try {
  await network.start();
  const result = await askAndSettle(network, options);
  if (options.keep) {
    result.base_url = network.client.ready.base_url;
    await keepNetwork(options.state, network);
  } else {
    await network.stop();
    network.clean();
  }
  result.seconds = Number(((Date.now() - started) / 1000).toFixed(1));
  if (options.output === 'json') console.log(JSON.stringify(result, null, 2));
  else printSummary(result, network);
  process.exit(result.receipt_valid ? 0 : 1);
} catch (error) {
  if (!interrupted) {
    console.error(`error: ${error.message}`);
    network.explain(error);
    await network.stop();
    network.clean();
    process.exit(error.exitCode ?? 1);
  }
}

function fail(code, what, fix) {
  console.error(`error: ${what}\n  fix  ${fix}`);
  process.exit(code);
}
