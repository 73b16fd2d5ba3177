// A network that outlives the demo: remembered in demo.json of the state folder, stopped by process id.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, stopProcesses } from './processes.mjs';

const file = (state) => join(state, 'demo.json');

export async function keepNetwork(state, network) {
  mkdirSync(state, { recursive: true });
  writeFileSync(file(state), JSON.stringify({ directory: network.directory, ton: network.ton, processes: network.running(), pids: network.pids() }, null, 2));
}

/** The kept network that is still alive, or null. */
export function findKept(state) {
  if (!existsSync(file(state))) return null;
  const kept = JSON.parse(readFileSync(file(state), 'utf8'));
  return kept.pids.some(isAlive) ? kept : null;
}

export async function stopKept(state) {
  const kept = findKept(state);
  if (!kept) {
    console.error('no kept network is running');
    rmSync(file(state), { force: true });
    return false;
  }
  await stopProcesses(kept.pids);
  rmSync(file(state), { force: true });
  rmSync(kept.directory, { recursive: true, force: true });
  console.error('stopped');
  return true;
}
