// A network that outlives the demo: remembered in .data/demo.json, stopped by process id.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, stopProcesses } from './processes.mjs';

const file = (root) => join(root, '.data', 'demo.json');

export async function keepNetwork(root, network) {
  mkdirSync(join(root, '.data'), { recursive: true });
  writeFileSync(file(root), JSON.stringify({ directory: network.directory, pids: network.pids() }, null, 2));
}

/** The kept network that is still alive, or null. */
export function findKept(root) {
  if (!existsSync(file(root))) return null;
  const kept = JSON.parse(readFileSync(file(root), 'utf8'));
  return kept.pids.some(isAlive) ? kept : null;
}

export async function stopKept(root) {
  const kept = findKept(root);
  if (!kept) {
    console.error('no kept network is running');
    rmSync(file(root), { force: true });
    return false;
  }
  await stopProcesses(kept.pids);
  rmSync(file(root), { force: true });
  rmSync(kept.directory, { recursive: true, force: true });
  console.error('stopped');
  return true;
}
