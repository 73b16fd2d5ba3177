/** Runs one asynchronous section at a time, in order of arrival. */
export class Lock {
  #tail = Promise.resolve();

  run(section) {
    const result = this.#tail.then(section);
    this.#tail = result.catch(() => {});
    return result;
  }
}
