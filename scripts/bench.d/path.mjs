// What the path costs: the same requests to the fixed-answer server directly and through HTTP, seal, libp2p, enclave and back, paid.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Background, stopProcesses } from '../demo.d/processes.mjs';
import { compile } from './compile.mjs';
import { BenchNetwork } from './network.mjs';
import { Connection } from './request.mjs';
import { interval, median, round } from './statistics.mjs';
import { progress } from './report.mjs';

const REQUESTS = 20;
const CONNECTIONS = 30;
const SECONDS = 3;
// Until the runtime has compiled what it runs often: the figures are of a node that serves, not of one that starts.
const WARM_UP_SECONDS = 20;

export async function measurePath(options) {
  const http = compile(options.root, 'http');
  const network = new BenchNetwork(options.root, options.configuration);
  const server = new Background('fixed', network.directory).start(http, ['serve']);
  try {
    await server.waitReady(10);
    await network.start(serving(server.ready.url));
    const sides = { direct: `${server.ready.url}/v1`, path: network.client.ready.base_url };
    const figures = Object.fromEntries(['direct_ms', 'path_ms', 'direct_100kb_ms', 'path_100kb_ms', 'direct_first_ms', 'path_first_ms', 'requests_per_second', 'direct_requests_per_second'].map((name) => [name, []]));
    progress('warming up');
    for (const isStream of [true, false]) await latency(sides.path, network.model, 'warm up', isStream);
    await throughput(http, sides.path, network.model, WARM_UP_SECONDS);

    for (let i = 0; i < options.rounds; i++) {
      for (const [name, base] of i % 2 ? Object.entries(sides).reverse() : Object.entries(sides)) {
        const model = name === 'direct' ? 'fixed' : network.model;
        figures[`${name}_ms`].push(await latency(base, model, 'hello', false));
        figures[`${name}_100kb_ms`].push(await latency(base, model, 'lorem ipsum '.repeat(8334), false, REQUESTS / 4));
        figures[`${name}_first_ms`].push(await latency(base, model, 'hello', true));
      }
      figures.requests_per_second.push(await throughput(http, sides.path, network.model, SECONDS));
      figures.direct_requests_per_second.push(await throughput(http, sides.direct, 'fixed', 1));
      progress(`round ${i + 1} of ${options.rounds}`);
    }

    const result = { schema: 1, intervals: {} };
    const put = (name, values, digits = 2) => {
      result[name] = round(median(values), digits);
      result.intervals[name] = interval(values).map((value) => round(value, digits));
    };
    put('added_ms_p50', figures.path_ms.map((value, i) => value - figures.direct_ms[i]));
    put('requests_per_second_30', figures.requests_per_second, 0);
    put('added_by_100kb_ms_p50', figures.path_100kb_ms.map((value, i) => value - figures.direct_100kb_ms[i]));
    put('first_event_added_ms_p50', figures.path_first_ms.map((value, i) => value - figures.direct_first_ms[i]));
    return { ...result, raw: figures };
  } catch (error) {
    network.explain();
    throw error;
  } finally {
    await network.stop();
    await stopProcesses([server.pid]);
  }
}

/** A price at which the longest prompt is one step: payment is measured, waiting for a second voucher is not. */
export const serving = (upstream) => ['--upstream', upstream, '--slots', '32', '--context', '131072', '--price-in', '0.0004', '--price-cached', '0.0001', '--price-out', '0.16'];

/** Median over requests one after the other on one connection: to the whole answer, or of a stream to its first event with text. */
async function latency(base, model, content, stream, count = REQUESTS) {
  const connection = new Connection(base);
  const times = [];
  for (let i = 0; i < count; i++) {
    const { first, end } = await connection.ask({ model, stream, max_tokens: 32, messages: [{ role: 'user', content: `${i} ${content}` }] });
    times.push(stream ? first : end);
  }
  connection.close();
  return round(median(times), 3);
}

/** Requests per second of that many connections, each asking again as soon as it is answered. */
async function throughput(http, base, model, seconds) {
  const { port, pathname } = new URL(`${base}/chat/completions`);
  const loading = promisify(execFile)(http, ['load', port, pathname, String(CONNECTIONS), String(seconds)]);
  loading.child.stdin.end(JSON.stringify({ model, stream: false, max_tokens: 32, messages: [{ role: 'user', content: 'hello' }] }));
  const [done, took] = (await loading).stdout.split(' ').map(Number);
  return round(done / took, 1);
}
