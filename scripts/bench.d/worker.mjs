// A measured process: one line in, one line out.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Worker {
  constructor(name, command, args, env = {}) {
    this.name = name;
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.errors = '';
    this.process.stderr.on('data', (bytes) => { this.errors = (this.errors + bytes).slice(-2000); });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  get pid() { return this.process.pid; }

  async next() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended: ${this.errors.trim() || 'no reason given'}`);
    return value;
  }

  async ready() {
    while ((await this.next()) !== 'ready');
    return this;
  }

  async ask(line) {
    this.process.stdin.write(`${line}\n`);
    return (await this.next()).split(' ').map(Number);
  }

  stop() {
    this.process.stdin.end();
    this.process.kill();
  }
}
