// Child processes with their output in files, so that they can outlive us; ended by id only.
import { spawn } from 'node:child_process';
import { openSync, readFileSync, closeSync } from 'node:fs';
import { join } from 'node:path';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A background process that says in one JSON line on stdout when it is ready. */
export class Background {
  constructor(name, directory) {
    this.name = name;
    this.directory = directory;
    this.ready = null;
  }

  get log() { return join(this.directory, `${this.name}.log`); }

  start(command, args, env = process.env) {
    const out = openSync(join(this.directory, `${this.name}.out`), 'w');
    const log = openSync(this.log, 'w');
    this.process = spawn(command, args, { detached: true, stdio: ['ignore', out, log], env });
    this.process.unref();
    this.exit = null;
    this.process.on('exit', (code, signal) => { this.exit = signal ?? code; });
    this.process.on('error', (error) => { this.exit = error.message; });
    closeSync(out);
    closeSync(log);
    return this;
  }

  get pid() { return this.process?.pid; }

  async waitReady(seconds = 60) {
    const until = Date.now() + seconds * 1000;
    while (Date.now() < until) {
      const line = readFileSync(join(this.directory, `${this.name}.out`), 'utf8').split('\n')[0];
      if (line.startsWith('{') && line.endsWith('}')) return (this.ready = JSON.parse(line));
      if (this.exit !== null) throw new Error(`${this.name} ended (${this.exit}) before it was ready`);
      await sleep(40);
    }
    throw new Error(`${this.name} was not ready within ${seconds} s`);
  }

  tail(lines = 8) {
    try {
      return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }
}

/** SIGTERM, then after a while SIGKILL; returns when all are gone. */
export async function stopProcesses(pids) {
  for (const pid of pids) signal(pid, 'SIGTERM');
  for (let waited = 0; waited < 25_000 && pids.some(isAlive); waited += 50) await sleep(50);
  for (const pid of pids.filter(isAlive)) signal(pid, 'SIGKILL');
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
