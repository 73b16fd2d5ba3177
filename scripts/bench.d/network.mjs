// The whole path on this machine: a development chain, one provider, one light client, each its own process; loopback only.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Background, sleep, stopProcesses } from '../demo.d/processes.mjs';

const run = promisify(execFile);

export class BenchNetwork {
  constructor(root, configuration) {
    this.root = root;
    this.program = join(root, 'Cocoon.Node', 'bin', configuration, 'net10.0', 'cocoon.dll');
    this.processes = [];
    // Short on purpose: the path of a Unix socket has at most 107 bytes.
    this.directory = mkdtempSync(join(tmpdir(), 'cocoon-'));
  }

  async start(serving) {
    const devnet = this.#background('devnet').start(process.execPath,
      [join(this.root, 'scripts', 'devnet', 'start.mjs'), '--port', '0', '--data', join(this.directory, 'chain')]);
    await devnet.waitReady(30);
    const chain = devnet.ready.url.replace(/\/$/, '').replace(/\/api\/v2$/, '');
    for (const name of ['provider', 'client']) {
      const { address } = JSON.parse(await this.cocoon(name, ['wallet', 'new', '--no-words', '-o', 'json']));
      await fetch(`${chain}/devnet/faucet`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ address, amount: '20000000000' }),
      });
    }
    const ton = ['--ton', `${chain}/api/v2`];
    this.serving = ['up', ...ton, ...serving];
    await this.startProvider('/ip4/127.0.0.1/tcp/0');
    this.client = await this.#node('client', ['client', ...ton, '--bootstrap', this.provider.ready.addresses[0], '--api', '127.0.0.1:0', '--allow-open', '--shape', 'fast']);
    for (let attempt = 0; ; attempt++) {
      if (JSON.parse(await this.cocoon('client', ['offers', '-o', 'json'])).offers.length > 0) break;
      if (attempt === 120) throw new Error('the client heard no offer');
      await sleep(250);
    }
    const { data } = await (await fetch(`${this.client.ready.base_url}/models`)).json();
    this.model = data[0].id;
    return this;
  }

  /** Also once more after it has ended: where it was, with what it wrote down. */
  async startProvider(address = this.provider.ready.addresses[0].split('/p2p/')[0]) {
    this.provider = await this.#node('provider', [...this.serving, '--listen', address]);
  }

  async cocoon(name, args) {
    const { stdout } = await run('dotnet', [this.program, ...args, '--data', join(this.directory, name)], { maxBuffer: 16 << 20 });
    return stdout;
  }

  explain() {
    for (const process of this.processes) console.error(`--- ${process.name}\n${process.tail()}`);
  }

  async stop() {
    const [devnet, ...nodes] = this.processes;
    await stopProcesses(nodes.filter((p) => p.pid && p.exit === null).map((p) => p.pid));
    if (devnet?.pid) await stopProcesses([devnet.pid]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #background(name) {
    const process = new Background(name, this.directory);
    this.processes.push(process);
    return process;
  }

  async #node(name, args) {
    const data = join(this.directory, name);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const process = this.#background(name).start('dotnet', [this.program, ...args, '--lan', '--ready-json', '--data', data]);
    await process.waitReady();
    return process;
  }
}
