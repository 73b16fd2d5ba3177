// Entry of scripts/bench: options, the measurement, the report.
import { parseArgs } from 'node:util';
import { measureEngine } from './engine.mjs';
import { machine, printEngine, printFaults, printPath } from './report.mjs';

const { values: options } = parse({
  options: {
    root: { type: 'string' },
    configuration: { type: 'string', default: 'Release' },
    natives: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    path: { type: 'boolean', default: false },
    faults: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
    output: { type: 'string', short: 'o', default: 'text' },
  },
});

function parse(config) {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`error: ${error.message}\n  fix  see ./scripts/bench --help`);
    return process.exit(2);
  }
}

options.rounds = Number(options.rounds);
if (!Number.isInteger(options.rounds) || options.rounds < 1 || !['text', 'json'].includes(options.output)) {
  console.error('error: --rounds is a whole number from 1 on, -o is text or json\n  fix  see ./scripts/bench --help');
  process.exit(2);
}

try {
  const [measure, print] = options.faults ? [(await import('./faults.mjs')).measureFaults, printFaults]
    : options.path ? [(await import('./path.mjs')).measurePath, printPath] : [measureEngine, printEngine];
  const result = await measure(options);
  result.machine = machine(options);
  if (options.output === 'json') console.log(JSON.stringify(result, null, 2));
  else print(result);
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(1);
}
