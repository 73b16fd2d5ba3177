// The engine alone and the whole path beside the bare loop: interleaved rounds, each ratio within one round.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BenchNetwork } from './network.mjs';
import { ask } from './request.mjs';
import { interval, median, round } from './statistics.mjs';
import { Worker } from './worker.mjs';
import { progress } from './report.mjs';

const SLOTS = 8;
const CONTEXT = 512;
// Tokens per sequence: enough for a second or so of each.
const TOKENS = { 1: 96, 4: 48, 8: 32 };

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
  const network = isWhole && !options.alone ? new BenchNetwork(options.root, options.configuration) : null;
  try {
    await network?.start(['--model', model, '--threads', '1', '--slots', String(SLOTS), '--context', String(CONTEXT)]);
    const start = (name, command, args) => { const worker = new Worker(name, command, args); workers.push(worker); return worker.ready(); };
    const raw = await start('raw', buildRaw(options), [...libraries(options.natives), options.natives, model, String(SLOTS), String(CONTEXT), '1']);
    const engine = await start('engine', 'dotnet', [tests, 'bench-engine', model, String(SLOTS), String(CONTEXT)]);
    const hasPeer = isWhole && existsSync(join(options.root, 'scripts', 'bench.d', 'node_modules', 'node-llama-cpp'));
    const peer = hasPeer ? await start('node-llama-cpp', process.execPath, [join(options.root, 'scripts', 'bench.d', 'peer.mjs'), model, String(SLOTS), String(CONTEXT), '1']) : null;

    const prompt = network ? (await overPath(network, 1, TOKENS[1])).prompt : 16;
    if (network) await overPath(network, SLOTS, TOKENS[8]);
    const sides = { raw, engine, ...(peer ? { peer } : {}) };
    for (const side of Object.values(sides)) for (const n of [1, SLOTS]) await side.ask(`${n} ${prompt} 8`);

    const figures = Object.fromEntries(['raw_1', 'raw_4', 'raw_8', 'engine_1', 'engine_4', 'engine_8', 'path_1', 'path_8', 'peer_1', 'peer_8', 'raw_ttft', 'engine_ttft', 'path_ttft'].map((k) => [k, []]));
    for (let i = 0; i < rounds; i++) {
      // Every other round the order is turned around, so that a drift of the machine favours nobody.
      const turns = [1, 4, 8].flatMap((n) => [...Object.keys(sides), ...(network ? ['path'] : [])].map((side) => [side, n])).filter(([side, n]) => n !== 4 || side === 'raw' || side === 'engine');
      for (const [side, n] of i % 2 ? turns.reverse() : turns) {
        const run = side === 'path' ? await overPath(network, n, TOKENS[n]) : await byWorker(sides[side], n, prompt, TOKENS[n]);
        figures[`${side}_${n}`].push(round(run.rate, 1));
        if (n === 1 && side !== 'peer') figures[`${side}_ttft`].push(round(run.first, 2));
      }
      progress(`round ${i + 1} of ${rounds}`);
    }

    const memory = { raw: resident(raw.pid), engine: resident(engine.pid) };
    if (network) {
      memory.enclave = resident(JSON.parse(await network.cocoon('provider', ['status', '-o', 'json'])).engine.process_id);
      memory.enclave_over_raw_mb = round(memory.enclave.resident_mb - memory.raw.resident_mb, 1);
    }
    return { ...summarize(figures, Boolean(network), Boolean(peer)), prompt_tokens: prompt, tokens: TOKENS, memory, raw: figures, model: { file: model.split('/').pop(), bytes: statSync(model).size } };
  } catch (error) {
    network?.explain();
    throw error;
  } finally {
    workers.forEach((worker) => worker.stop());
    await network?.stop();
  }
}

async function byWorker(worker, n, prompt, tokens) {
  const answer = await worker.ask(`${n} ${prompt} ${tokens}`);
  return { rate: answer[answer.length - 1] / answer[0], first: answer.length === 3 ? answer[1] * 1000 : NaN };
}

async function overPath(network, n, tokens) {
  const body = (i) => ({
    model: network.model, stream: true, stream_options: { include_usage: true }, temperature: 0, max_tokens: tokens, ignore_eos: true,
    messages: [{ role: 'user', content: `request ${i}` }],
  });
  const start = performance.now();
  const answers = await Promise.all(Array.from({ length: n }, (_, i) => ask(network.client.ready.base_url, body(i))));
  const seconds = (performance.now() - start) / 1000;
  return {
    rate: answers.reduce((sum, a) => sum + a.usage.completion_tokens, 0) / seconds,
    first: Math.max(...answers.map((a) => a.first)), prompt: answers[0].usage.prompt_tokens,
  };
}

function summarize(figures, isWhole, hasPeer) {
  const result = { intervals: {} };
  const put = (name, above, below) => {
    const ratios = above.map((value, i) => value / below[i]);
    result[name] = round(median(ratios));
    result.intervals[name] = interval(ratios).map((value) => round(value));
  };
  for (const n of [1, 4, 8]) put(`engine_ratio_${n}`, figures[`engine_${n}`], figures[`raw_${n}`]);
  if (isWhole) {
    for (const n of [1, 8]) put(`whole_path_ratio_${n}`, figures[`path_${n}`], figures[`raw_${n}`]);
    const added = figures.path_ttft.map((value, i) => value - figures.raw_ttft[i]);
    result.ttft_added_ms_p50 = round(median(added), 2);
    result.intervals.ttft_added_ms_p50 = interval(added).map((value) => round(value, 2));
  }
  if (hasPeer) for (const n of [1, 8]) put(`over_node_llama_cpp_${n}`, figures[`engine_${n}`], figures[`peer_${n}`]);
  return result;
}

function libraries(folder) {
  const names = readdirSync(folder);
  return [/^libggml-base\./, /^libggml\.(?!-)/, /^libllama\./].map((pattern) => join(folder, names.find((name) => pattern.test(name))));
}

function buildRaw(options) {
  const folder = join(options.root, 'artifacts', 'bench');
  mkdirSync(folder, { recursive: true });
  const source = join(options.root, 'scripts', 'bench.d', 'raw.c'), program = join(folder, 'raw');
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    try {
      execFileSync('cc', ['-O3', '-march=native', '-o', program, source, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
    } catch {
      throw new Error('the bare loop could not be compiled; a C compiler named cc is needed (Debian: gcc)');
    }
  }
  return program;
}

/** All resident pages, and of them those that no file is behind; mapped weights are the same pages for all. */
function resident(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name) => round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024, 1);
  return { resident_mb: megabytes('VmRSS'), anonymous_mb: megabytes('RssAnon') };
}
