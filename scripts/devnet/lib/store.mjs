import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const FORMAT = 1;
const MAX_JOURNAL_BYTES = 32 << 20;

/**
 * Keeps a chain in a folder: `state.json` is a whole state, replaced by rename; `journal.jsonl` has one line for
 * every block since. A line is written before the answer that depends on it, so that a killed devnet loses no
 * accepted block; a line cut short by the kill is dropped.
 */
export class Store {
  #journal;
  #journalBytes = 0;

  constructor(directory, chain) {
    this.directory = directory;
    this.chain = chain;
  }

  static open(directory, chain) {
    mkdirSync(directory, { recursive: true });
    const store = new Store(directory, chain);
    store.#recover();
    store.#compact();
    chain.onChange = (change) => store.#changed(change);
    return store;
  }

  close() {
    this.#compact();
    closeSync(this.#journal);
  }

  get #statePath() {
    return join(this.directory, 'state.json');
  }

  get #journalPath() {
    return join(this.directory, 'journal.jsonl');
  }

  #recover() {
    let seqno = 0;
    if (existsSync(this.#statePath)) {
      const state = JSON.parse(readFileSync(this.#statePath, 'utf8'));
      if (state.format !== FORMAT) throw new Error(`${this.#statePath} has format ${state.format}, this devnet reads ${FORMAT}: remove the folder to start afresh`);
      if (state.prices !== this.chain.prices) throw new Error(`${this.directory} was made with --prices ${state.prices}`);
      this.chain.load(state);
      seqno = state.seqno;
    }
    if (!existsSync(this.#journalPath)) return;
    for (const line of readFileSync(this.#journalPath, 'utf8').split('\n')) {
      const change = parseLine(line);
      if (!change) break;
      // Left over from a kill between writing the state and emptying the journal.
      if (change.seqno <= seqno) continue;
      this.chain.apply(change);
    }
  }

  #changed(change) {
    if (change === null || this.#journalBytes > MAX_JOURNAL_BYTES) this.#compact();
    else this.#journalBytes += writeSync(this.#journal, `${JSON.stringify(change)}\n`);
  }

  #compact() {
    const temporary = `${this.#statePath}.tmp`;
    const file = openSync(temporary, 'w', 0o600);
    writeFileSync(file, JSON.stringify({ format: FORMAT, prices: this.chain.prices, ...this.chain.save() }));
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, this.#statePath);
    if (this.#journal !== undefined) closeSync(this.#journal);
    this.#journal = openSync(this.#journalPath, 'w', 0o600);
    this.#journalBytes = 0;
  }
}

function parseLine(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
