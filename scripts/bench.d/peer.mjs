// node-llama-cpp on the same file: lines "sequences prompt tokens" on stdin, "seconds generated" back.
import { createInterface } from 'node:readline';
import { getLlama } from 'node-llama-cpp';

const [model, sequences, context, threads] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: Number(threads) });
const loaded = await llama.loadModel({ modelPath: model, gpuLayers: 0 });
const ctx = await loaded.createContext({ sequences: Number(sequences), contextSize: Number(context), threads: Number(threads), batchSize: 512 });
const slots = Array.from({ length: Number(sequences) }, () => ctx.getSequence());
console.log('ready');

async function generate(sequence, index, prompt, tokens) {
  await sequence.clearHistory();
  const input = Array.from({ length: prompt }, (_, i) => 30 + (i * 7 + index) % 200);
  let made = 0;
  for await (const _ of sequence.evaluate(input, { temperature: 0 })) if (++made === tokens) break;
  return made;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [n, prompt, tokens] = line.split(' ').map(Number);
  const start = performance.now();
  const made = await Promise.all(slots.slice(0, n).map((sequence, i) => generate(sequence, i, prompt, tokens)));
  console.log(((performance.now() - start) / 1000).toFixed(6), made.reduce((a, b) => a + b));
}
