// The demo's network: every node its own process with its own data directory; nothing shared but loopback and the devnet.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Background, sleep, stopProcesses } from './processes.mjs';
import { progress } from './report.mjs';
import { findKept } from './kept.mjs';

const run = promisify(execFile);
const TON = 1_000_000_000n;

export class Network {
  constructor(options) {
    this.options = options;
    this.program = options.program ?? [join(options.root, 'Cocoon.Node', 'bin', options.configuration, 'net10.0', 'cocoon.dll')];
    this.processes = [];
    this.commands = new Set();
    this.stopped = false;
  }

  async start() {
    if (findKept(this.options.state)) throw new Error('a kept network is running already; stop it with ./scripts/demo --stop');
    // Short on purpose: the path of a Unix socket has at most 107 bytes.
    this.directory = mkdtempSync(join(tmpdir(), 'cocoon-'));
    progress(`network devnet in ${this.directory}; tier open with simulated evidence is accepted because this demo passes --allow-open`);

    this.devnet = this.#background('devnet').start(process.execPath,
      [join(this.options.root, 'scripts', 'devnet', 'start.mjs'), '--port', '0', '--data', join(this.directory, 'chain')]);
    const devnetReady = this.devnet.waitReady(30);
    const bootstrapNode = this.#node('bootstrap', ['up', '--no-model', '--privacy-relay', '--listen', '/ip4/127.0.0.1/tcp/0']);
    const wallets = await Promise.all(['admin', 'provider-1', 'provider-2', 'client'].map((name) => this.#wallet(name)));
    await devnetReady;
    this.ton = `${this.devnet.ready.url.replace(/\/$/, '').replace(/\/api\/v2$/, '')}/api/v2`;
    [this.admin, this.wallet1, this.wallet2, this.clientWallet] = wallets;
    await Promise.all([
      this.#faucet(this.admin, TON), this.#faucet(this.wallet1, TON / 2n),
      this.#faucet(this.wallet2, TON / 2n), this.#faucet(this.clientWallet, 2n * TON),
    ]);
    progress('chain up, four v5r1 wallets made from fresh words and funded');

    this.bootstrap = await bootstrapNode;
    const address = this.bootstrap.ready.addresses[0];
    const common = ['--ton', this.ton, '--bootstrap', address];
    const serving = this.options.model ? ['--model', resolve(this.options.model)] : [];
    // Each carries circuits for the other's clients: relays can be tried on this network.
    const listen = ['--privacy-relay', '--listen', '/ip4/127.0.0.1/tcp/0'];
    const [registry, provider1, provider2, client] = await Promise.all([
      this.cocoon('admin', ['registry', 'deploy', '--ton', this.ton, '--bootstrap', address, '--yes', '-o', 'json']),
      this.#node('provider-1', ['up', ...common, ...listen, ...serving, '--price-in', '0.04', '--price-out', '0.16', '--threads', '1']),
      this.#node('provider-2', ['up', ...common, ...listen, ...serving, '--price-in', '0.05', '--price-out', '0.24', '--threads', '1']),
      this.#node('client', ['client', ...common, '--api', '127.0.0.1:0', '--allow-open', '--shape', this.options.shape]),
    ]);
    this.registry = JSON.parse(registry).address;
    this.providers = [provider1, provider2];
    this.client = client;
    progress(`registry at ${this.registry}; bootstrap node, two providers and a light client are up`);
    await this.#waitForOffers();
  }

  /** Runs the command line against one node's data directory; stdout. */
  async cocoon(name, args) {
    if (this.stopped) throw new Error('the network is stopped');
    const command = run('dotnet', [...this.program, ...args, '--data', join(this.directory, name)], { maxBuffer: 16 << 20 });
    this.commands.add(command.child.pid);
    try {
      return (await command).stdout;
    } catch (error) {
      const failure = new Error(`cocoon ${args.slice(0, 2).join(' ')} failed: ${(error.stderr || error.message).trim()}`);
      failure.exitCode = error.code;
      throw failure;
    } finally {
      this.commands.delete(command.child.pid);
    }
  }

  /** A toncenter-v2 call. */
  async chain(method, params) {
    const response = await fetch(`${this.ton}/jsonRPC`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ id: '1', jsonrpc: '2.0', method, params }),
    });
    const answer = await response.json();
    if (!answer.ok) throw new Error(`the chain refused ${method}: ${answer.error}`);
    return answer.result;
  }

  async balance(address) {
    return BigInt(await this.chain('getAddressBalance', { address }));
  }

  /** A call that only the devnet has. */
  async devnetCall(name, body) {
    const response = await fetch(`${this.ton.replace(/\/api\/v2$/, '')}/devnet/${name}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (!answer.ok) throw new Error(`the devnet refused ${name}: ${answer.error}`);
    return answer.result;
  }

  pids() {
    return this.processes.map((p) => p.pid).filter(Boolean);
  }

  /** Name to process id and what it said when it was ready. */
  running() {
    return Object.fromEntries(this.processes.map((p) => [p.name, { pid: p.pid, ...p.ready }]));
  }

  explain() {
    for (const process of this.processes) {
      const tail = process.tail();
      if (tail) console.error(`--- ${process.name}\n${tail}`);
    }
  }

  async stop() {
    if (this.stopped) return;
    this.stopped = true;
    const [devnet, ...nodes] = this.processes;
    // Commands that still run, too: one that waits for the chain would wait for ever.
    await stopProcesses([...nodes.map((p) => p.pid), ...this.commands].filter(Boolean));
    if (devnet) await stopProcesses([devnet.pid].filter(Boolean));
  }

  /** Removes the data of a run that is over. */
  clean() {
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
  }

  async #waitForOffers() {
    for (let attempt = 0; attempt < 120; attempt++) {
      const { offers } = JSON.parse(await this.#offers());
      if (offers.length >= this.providers.length) {
        progress('the client found both providers: provider records in the DHT, offers by gossip');
        return;
      }
      await sleep(250);
    }
    throw new Error('the client did not hear both offers within a minute');
  }

  async #offers() {
    return this.cocoon('client', ['offers', '-o', 'json']);
  }

  #background(name) {
    const process = new Background(name, this.directory);
    this.processes.push(process);
    return process;
  }

  async #node(name, args) {
    const data = join(this.directory, name);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const process = this.#background(name).start(
      'dotnet', [...this.program, ...args, '--lan', '--no-mdns', '--ready-json', '--data', data, ...(this.options.verbose ? ['--verbose'] : [])]);
    process.data = data;
    await process.waitReady();
    return process;
  }

  async #wallet(name) {
    return JSON.parse(await this.cocoon(name, ['wallet', 'new', '--no-words', '-o', 'json'])).address;
  }

  async #faucet(address, amount) {
    await this.devnetCall('faucet', { address, amount: amount.toString() });
  }
}
