// How soon an application hears of what went wrong: an unknown model, and what dies in the middle of its answer.
import { readdirSync, readFileSync } from 'node:fs';
import { Background, sleep, stopProcesses } from '../demo.d/processes.mjs';
import { compile } from './compile.mjs';
import { BenchNetwork } from './network.mjs';
import { serving } from './path.mjs';
import { Connection } from './request.mjs';
import { median, round } from './statistics.mjs';
import { progress } from './report.mjs';

const REQUESTS = 20;
// A client that has just started waits for offers that it may not have heard yet.
const SETTLED_MS = 6_000;
const VICTIMS = ['upstream', 'enclave', 'provider'];

export async function measureFaults(options) {
  const http = compile(options.root, 'http');
  const result = { schema: 1, killed_ms: {} };
  for (const victim of VICTIMS) {
    progress(`in the middle of an answer: SIGKILL to the ${victim}`);
    await withNetwork(options, http, async (network, server) => {
      const base = network.client.ready.base_url;
      await new Connection(base).ask(question(network.model, 'hello'));
      if (victim === VICTIMS[0]) result.unknown_model_ms_p50 = await unknownModel(base);
      result.killed_ms[victim] = await killed(base, network.model, { upstream: server.pid, enclave: child(network.provider.pid), provider: network.provider.pid }[victim]);
    });
  }
  return result;
}

async function withNetwork(options, http, measure) {
  const network = new BenchNetwork(options.root, options.configuration);
  const server = new Background('fixed', network.directory).start(http, ['serve']);
  try {
    await server.waitReady(10);
    await network.start(serving(server.ready.url));
    await measure(network, server);
  } catch (error) {
    network.explain();
    throw error;
  } finally {
    await network.stop();
    await stopProcesses([server.pid]);
  }
}

const question = (model, content, stream = false) => ({ model, stream, max_tokens: 32, messages: [{ role: 'user', content }] });

async function unknownModel(base) {
  await sleep(SETTLED_MS);
  const connection = new Connection(base), times = [];
  for (let i = 0; i < REQUESTS; i++) {
    const start = performance.now();
    const error = await connection.ask(question(`no-such-model-${i}`, 'hello')).then(() => 'an answer', (failure) => failure.message);
    if (!error.startsWith('404')) throw new Error(`an unknown model gives ${error}`);
    times.push(performance.now() - start);
  }
  connection.close();
  return round(median(times), 1);
}

/** Milliseconds from the kill to the end of the response, which has to say that it is an error. */
async function killed(base, model, pid) {
  const connection = new Connection(base);
  const begun = connection.begun();
  const asked = connection.ask(question(model, 'please hang', true)).then(() => 'a whole answer', (failure) => failure.message);
  await begun;
  const start = performance.now();
  process.kill(pid, 'SIGKILL');
  const end = await asked;
  const time = performance.now() - start;
  connection.close();
  if (!end.startsWith('cut') || !end.includes('"error"')) throw new Error(`the application heard of it as: ${end}`);
  return round(time, 0);
}

function child(parent) {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent) return Number(name);
    } catch {
      // It has ended.
    }
  }
  throw new Error('the provider has no enclave');
}
