// What people read, and the machine it was measured on.
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { basename, dirname } from 'node:path';

export const progress = (text) => console.error(`· ${text}`);

export function machine(options) {
  return {
    cpu: cpus()[0]?.model.trim(), cores: cpus().length, memory_gb: Math.round(totalmem() / 2 ** 30), system: `${type()} ${release()}`,
    dotnet: execFileSync('dotnet', ['--version'], { encoding: 'utf8' }).trim(), node: process.version,
    llama_cpp: basename(dirname(options.natives)), engine_threads: 1,
  };
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) console.log(row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join('  ').trimEnd());
}

export function printEngine(result) {
  const names = [
    ['engine, 1 sequence', 'engine_ratio_1', '≥ 0.97'], ['engine, 4 sequences', 'engine_ratio_4', '≥ 0.97'], ['engine, 8 sequences', 'engine_ratio_8', '≥ 0.97'],
    ['whole path, 1 request', 'whole_path_ratio_1', '≥ 0.95'], ['whole path, 8 requests', 'whole_path_ratio_8', '≥ 0.95'],
    ['added time to first token, ms', 'ttft_added_ms_p50', '≤ 5'],
    ['processor time of the engine, 1', 'engine_processor_ratio_1', ''], ['processor time of the engine, 4', 'engine_processor_ratio_4', ''],
    ['processor time of the engine, 8', 'engine_processor_ratio_8', ''],
    ['… of the path beyond the loop, ms a token, 1', 'path_processor_ms_per_token_1', ''], ['… of the path beyond the loop, ms a token, 8', 'path_processor_ms_per_token_8', ''],
    ['engine / node-llama-cpp, 1', 'over_node_llama_cpp_1', ''], ['engine / node-llama-cpp, 8', 'over_node_llama_cpp_8', ''],
  ];
  const print = (figures) => table([
    ['RATIO TO THE BARE LOOP', 'MEDIAN', '95 % INTERVAL', 'BUDGET'],
    ...names.filter(([, name]) => figures[name] !== undefined).map(([text, name, budget]) => [text, String(figures[name]), figures.intervals[name].join(' – '), budget]),
  ]);
  console.log(`${result.model.file}, ${result.raw.raw_1.length} rounds, ${result.machine.cpu}, ${result.machine.cores} cores, llama.cpp ${result.machine.llama_cpp}\n`);
  print(result);
  if (result.crowd) console.log(`\n${result.crowd.streams} streams at once: ${result.crowd.answered_tokens} of ${result.crowd.expected_tokens} tokens, ${result.crowd.tokens_per_second} a second`);
  if (result.memory.enclave_over_raw_mb !== undefined) console.log(`memory of the enclave over the bare loop, the most seen under load: ${result.memory.enclave_over_raw_mb} MB (budget 60): ${result.memory.enclave.most_mb} against ${result.memory.raw.most_mb} MB resident`);
  if (result.tiny) {
    console.log(`\n${result.tiny.model.file} (not judged)\n`);
    print(result.tiny);
  }
}

export function printPath(result) {
  console.log(`fixed answer behind the upstream engine, sealed and paid, ${result.machine.cpu}, ${result.machine.cores} cores\n`);
  table([
    ['COST OF THE PATH', 'MEDIAN', '95 % INTERVAL', 'BUDGET'],
    ...[
      ['added latency, 1 connection, ms', 'added_ms_p50', '≤ 2'], ['requests/s, 30 connections', 'requests_per_second_30', '≥ 1500'],
      ['added by a 100 kB prompt, ms', 'added_by_100kb_ms_p50', '≤ 5'], ['first event after the upstream\'s, ms', 'first_event_added_ms_p50', '≤ 3'],
    ].map(([text, name, budget]) => [text, String(result[name]), result.intervals[name].join(' – '), budget]),
  ]);
}

export function printFaults(result) {
  console.log(`what an application waits for, ${result.machine.cpu}, ${result.machine.cores} cores\n`);
  table([
    ['FAULT', 'MS: MIN', 'MEDIAN', 'MAX', 'BUDGET'],
    ['unknown model: 404', '', String(result.unknown_model_ms_p50), '', '< 50'],
    ...Object.entries(result.killed_ms).map(([victim, { min, median, max }]) =>
      [`${victim} killed in the middle of an answer (${result.kills} times): error`, String(min), String(median), String(max), '< 2000']),
  ]);
}
