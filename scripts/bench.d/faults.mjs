// How soon an application hears of what went wrong: an unknown model, and what dies in the middle of its answer.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
// What was killed serves again: an enclave that dies often is started later each time.
const RECOVERY_MS = 120_000;
const VICTIMS = ['upstream', 'enclave', 'embedded enclave', 'provider'];

export async function measureFaults(options) {
  const http = compile(options.root, 'http');
  const result = { schema: 2, kills: Math.min(options.rounds, 5), killed_ms: {} };
  for (const victim of VICTIMS) {
    progress(`in the middle of an answer: SIGKILL to the ${victim}, ${result.kills} times`);
    const isEmbedded = victim === 'embedded enclave';
    await withNetwork(options, http, isEmbedded, async (network, server) => {
      const base = network.client.ready.base_url;
      await served(base, network.model);
      if (victim === VICTIMS[0]) result.unknown_model_ms_p50 = await unknownModel(base);
      const times = [];
      for (let i = 0; i < result.kills; i++) {
        const pid = { upstream: () => server.pid, provider: () => network.provider.pid }[victim] ?? (() => child(network.provider.pid));
        times.push(await killed(base, isEmbedded ? long(network.model) : question(network.model, 'please hang', true), pid()));
        if (victim === 'upstream') await server.start(http, ['serve', new URL(server.ready.url).port]).waitReady(10);
        if (victim === 'provider') await network.startProvider();
        if (i + 1 < result.kills) await served(base, network.model);
      }
      result.killed_ms[victim] = { min: round(Math.min(...times), 0), median: round(median(times), 0), max: round(Math.max(...times), 0) };
    });
  }
  return result;
}

async function withNetwork(options, http, isEmbedded, measure) {
  const network = new BenchNetwork(options.root, options.configuration);
  const server = new Background('fixed', network.directory).start(http, ['serve']);
  try {
    await server.waitReady(10);
    await network.start(isEmbedded ? ['--model', benchModel(options), '--threads', '1', '--slots', '2', '--context', '512'] : serving(server.ready.url));
    await measure(network, server);
  } catch (error) {
    network.explain();
    throw error;
  } finally {
    await network.stop();
    if (server.exit === null) await stopProcesses([server.pid]);
  }
}

function benchModel(options) {
  const tests = join(options.root, 'Cocoon.Tests', 'bin', options.configuration, 'net10.0', 'Cocoon.Tests.dll');
  return execFileSync('dotnet', [tests, 'bench-model', 'bench'], { encoding: 'utf8' }).trim();
}

const question = (model, content, stream = false) => ({ model, stream, max_tokens: 32, messages: [{ role: 'user', content }] });

/** An answer of seconds, so that what dies does so in its middle. */
const long = (model) => ({ ...question(model, 'hello', true), max_tokens: 400, ignore_eos: true });

/** Waits until a question is answered. */
async function served(base, model) {
  for (const until = performance.now() + RECOVERY_MS; ;) {
    const connection = new Connection(base);
    const failure = await connection.ask(question(model, 'hello')).then(() => null, (error) => error.message);
    connection.close();
    if (failure === null) return;
    if (performance.now() > until) throw new Error(`nothing is served again: ${failure}`);
    await sleep(250);
  }
}

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
async function killed(base, body, pid) {
  const connection = new Connection(base);
  const begun = connection.begun();
  const asked = connection.ask(body).then(() => 'a whole answer', (failure) => failure.message);
  await Promise.race([begun, asked.then((end) => { throw new Error(`before anything was killed: ${end}`); })]);
  const start = performance.now();
  process.kill(pid, 'SIGKILL');
  const end = await asked;
  const time = performance.now() - start;
  connection.close();
  if (!end.startsWith('cut') || !end.includes('"error"')) throw new Error(`the application heard of it as: ${end}`);
  return time;
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
