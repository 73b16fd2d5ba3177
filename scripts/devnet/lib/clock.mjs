/** Chain time in whole seconds: the wall clock plus an offset, or frozen at one second. Never goes back on its own. */
export class Clock {
  #offset = 0;
  #frozenAt = null;
  #last = 0;

  constructor(wall = () => Math.floor(Date.now() / 1000)) {
    this.wall = wall;
  }

  get frozen() {
    return this.#frozenAt !== null;
  }

  now() {
    // A wall clock set back must not stop the chain: an account refuses transactions from before its last one.
    this.#last = Math.max(this.#last, this.#frozenAt ?? this.wall() + this.#offset);
    return this.#last;
  }

  advance(seconds) {
    this.set(this.now() + seconds);
  }

  set(time) {
    if (time < this.now()) throw new RangeError(`chain time only goes forward: it is ${this.now()}, asked for ${time}`);
    if (this.frozen) this.#frozenAt = time;
    else this.#offset = time - this.wall();
  }

  freeze() {
    this.#frozenAt = this.now();
  }

  thaw() {
    if (!this.frozen) return;
    this.#offset = this.#frozenAt - this.wall();
    this.#frozenAt = null;
  }

  save() {
    return { offset: this.#offset, frozenAt: this.#frozenAt, last: this.#last };
  }

  load({ offset, frozenAt, last }) {
    this.#offset = offset;
    this.#frozenAt = frozenAt;
    this.#last = last;
  }
}
