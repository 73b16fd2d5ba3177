// The engine alone and the whole path beside the bare loop: interleaved rounds, each ratio within one round.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './compile.mjs';
import { BenchNetwork } from './network.mjs';
import { processorTime, Residence } from './processes.mjs';
import { ask } from './request.mjs';
import { interval, median, round } from './statistics.mjs';
import { Worker } from './worker.mjs';
import { progress } from './report.mjs';

const SLOTS = 8;
const CONTEXT = 512;
// More answers than slots, and as many as one channel carries: those that wait are served as others end.
const STREAMS = 64;
// Until the runtime has compiled what it runs often: the figures are of a node that serves, not of one that starts. What runs once a
// request is compiled a second time after 30 of them, and a third time after 30 more, in the background of what is measured.
const WARM_UP_REQUESTS = 200;
const MOST_TEXTS = 100;
// Tokens per sequence: enough for a second or so of each.
const TOKENS = { 1: 96, 4: 48, 8: 32 };
// Short answers of each side in a round, one after the other: a first token hangs on a few milliseconds that one sample in two misses.
const FIRSTS = 8;
const FIRST_TOKENS = 2;

export async function measureEngine(options) {
  const result = { schema: 1, ...await measureModel(options, 'bench', options.rounds, true) };
  if (options.tiny) result.tiny = await measureModel(options, 'tiny', options.rounds, false);
  return result;
}

async function measureModel(options, size, rounds, isWhole) {
  const tests = join(options.root, 'Cocoon.Tests', 'bin', options.configuration, 'net10.0', 'Cocoon.Tests.dll');
  const model = execFileSync('dotnet', [tests, 'bench-model', size], { encoding: 'utf8' }).trim();
  progress(`model ${model}`);
  const workers = [];
  let residence = null;
  const network = isWhole && !options.alone ? new BenchNetwork(options.root, options.configuration) : null;
  try {
    await network?.start(['--model', model, '--threads', '1', '--slots', String(SLOTS), '--context', String(CONTEXT)]);
    const start = (name, command, args) => { const worker = new Worker(name, command, args); workers.push(worker); return worker.ready(); };
    const raw = await start('raw', compile(options.root, 'raw', '-ldl'), [...libraries(options.natives), options.natives, model, String(SLOTS), String(CONTEXT), '1']);
    const engine = await start('engine', 'dotnet', [tests, 'bench-engine', model, String(SLOTS), String(CONTEXT)]);
    const hasPeer = isWhole && existsSync(join(options.root, 'scripts', 'bench.d', 'node_modules', 'node-llama-cpp'));
    const peer = hasPeer ? await start('node-llama-cpp', process.execPath, [join(options.root, 'scripts', 'bench.d', 'peer.mjs'), model, String(SLOTS), String(CONTEXT), '1']) : null;

    const prompt = network ? await chooseTexts(network) : 16;
    const sides = { raw, engine, ...(peer ? { peer } : {}) };
    progress('warming up');
    for (const side of Object.values(sides)) for (const n of [1, SLOTS]) await side.ask(`${n} ${prompt} 8`);
    for (let asked = 0; network && asked < WARM_UP_REQUESTS; asked += SLOTS) await overPath(network, SLOTS, TOKENS[8]);

    const run = (side, n, tokens = TOKENS[n]) => side === 'path' ? overPath(network, n, tokens) : byWorker(sides[side], n, prompt, tokens);
    const pids = { raw: [raw.pid], engine: [engine.pid], ...(network ? { path: await pathProcesses(network) } : {}) };
    residence = new Residence({ raw: raw.pid, engine: engine.pid, ...(network ? { enclave: pids.path[2] } : {}) });
    const figures = {};
    const note = (name, value, digits) => (figures[name] ??= []).push(round(value, digits));
    for (let i = 0; i < rounds; i++) {
      for (const n of [1, 4, 8]) {
        // There and back again: whatever drifts during a round weighs the same on all of its sides. Every other round begins with another side.
        const turns = n === 4 ? ['raw', 'engine'] : [...Object.keys(sides), ...(network ? ['path'] : [])];
        const totals = Object.fromEntries(turns.map((side) => [side, { seconds: 0, tokens: 0, processor: 0 }]));
        if (i % 2) turns.reverse();
        for (const side of [...turns, ...turns.toReversed()]) {
          const before = processorTime(pids[side]);
          const { seconds, tokens } = await run(side, n);
          const total = totals[side];
          total.processor += processorTime(pids[side]) - before;
          total.seconds += seconds;
          total.tokens += tokens;
        }
        for (const [side, { seconds, tokens, processor }] of Object.entries(totals)) {
          note(`${side}_${n}`, tokens / seconds, 1);
          if (pids[side]) note(`${side}_${n}_processor_ms_per_token`, processor / tokens, 3);
        }
      }
      const firsts = Object.fromEntries(['raw', 'engine', ...(network ? ['path'] : [])].map((side) => [side, []]));
      for (let k = 0; k < FIRSTS; k++) {
        for (const side of k % 2 ? Object.keys(firsts).toReversed() : Object.keys(firsts)) firsts[side].push((await run(side, 1, FIRST_TOKENS)).first);
      }
      for (const [side, values] of Object.entries(firsts)) note(`${side}_ttft`, median(values), 2);
      progress(`round ${i + 1} of ${rounds}`);
    }

    const crowd = network ? await askCrowd(network) : null;
    const memory = residence.stop();
    return { ...summarize(figures, Boolean(network), Boolean(peer), memory, crowd), prompt_tokens: prompt, tokens: TOKENS, raw: figures, model: { file: model.split('/').pop(), bytes: statSync(model).size } };
  } catch (error) {
    network?.explain();
    throw error;
  } finally {
    residence?.stop();
    workers.forEach((worker) => worker.stop());
    await network?.stop();
  }
}

async function byWorker(worker, n, prompt, tokens) {
  const answer = await worker.ask(`${n} ${prompt} ${tokens}`);
  return { seconds: answer[0], tokens: answer[answer.length - 1], first: answer.length === 3 ? answer[1] * 1000 : NaN };
}

const body = (network, i, tokens) => ({
  model: network.model, stream: true, stream_options: { include_usage: true }, temperature: 0, max_tokens: tokens, ignore_eos: true,
  messages: [{ role: 'user', content: network.texts[i % network.texts.length] }],
});

/**
 * Texts whose prompts have one length, as those of the bare loop have, and that length: prompts of different lengths are read in more
 * passes over the weights, which costs the bare loop as much as the path.
 */
async function chooseTexts(network) {
  const byLength = new Map();
  for (let i = 0; i < MOST_TEXTS; i++) {
    network.texts = [`request ${i}`];
    const { prompt } = await overPath(network, 1, 1);
    const texts = byLength.get(prompt) ?? byLength.set(prompt, []).get(prompt);
    if (texts.push(network.texts[0]) === SLOTS) {
      network.texts = texts;
      return prompt;
    }
  }
  throw new Error(`the model's vocabulary has no ${SLOTS} prompts of one length`);
}

async function overPath(network, n, tokens) {
  const start = performance.now();
  const answers = await Promise.all(Array.from({ length: n }, (_, i) => ask(network.client.ready.base_url, body(network, i, tokens))));
  return {
    seconds: (performance.now() - start) / 1000, tokens: answers.reduce((sum, a) => sum + a.usage.completion_tokens, 0),
    first: Math.max(...answers.map((a) => a.first)), prompt: answers[0].usage.prompt_tokens,
  };
}

/** Client, provider and its enclave: all that works for an answer. */
async function pathProcesses(network) {
  const { engine } = JSON.parse(await network.cocoon('provider', ['status', '-o', 'json']));
  return [network.client.pid, network.provider.pid, engine.process_id];
}

/** More streams than slots: all are answered in full. */
async function askCrowd(network) {
  progress(`${STREAMS} streams`);
  const { seconds, tokens } = await overPath(network, STREAMS, TOKENS[8]);
  return { streams: STREAMS, answered_tokens: tokens, expected_tokens: STREAMS * TOKENS[8], tokens_per_second: round(tokens / seconds, 1) };
}

function summarize(figures, isWhole, hasPeer, memory, crowd) {
  const result = { intervals: {} };
  const put = (name, values, digits) => {
    result[name] = round(median(values), digits);
    result.intervals[name] = interval(values).map((value) => round(value, digits));
  };
  const ratio = (above, below) => figures[above].map((value, i) => value / figures[below][i]);
  for (const n of [1, 4, 8]) put(`engine_ratio_${n}`, ratio(`engine_${n}`, `raw_${n}`));
  for (const n of [1, 4, 8]) put(`engine_processor_ratio_${n}`, ratio(`engine_${n}_processor_ms_per_token`, `raw_${n}_processor_ms_per_token`));
  if (isWhole) {
    for (const n of [1, 8]) put(`whole_path_ratio_${n}`, ratio(`path_${n}`, `raw_${n}`));
    for (const n of [1, 8]) put(`path_processor_ms_per_token_${n}`, figures[`path_${n}_processor_ms_per_token`].map((value, i) => value - figures[`raw_${n}_processor_ms_per_token`][i]), 2);
    put('ttft_added_ms_p50', figures.path_ttft.map((value, i) => value - figures.raw_ttft[i]), 2);
    result.crowd = crowd;
    memory.enclave_over_raw_mb = round(memory.enclave.most_mb - memory.raw.most_mb, 1);
  }
  if (hasPeer) for (const n of [1, 8]) put(`over_node_llama_cpp_${n}`, ratio(`engine_${n}`, `peer_${n}`));
  return { ...result, memory };
}

function libraries(folder) {
  const names = readdirSync(folder);
  return [/^libggml-base\./, /^libggml\.(?!-)/, /^libllama\./].map((pattern) => join(folder, names.find((name) => pattern.test(name))));
}
