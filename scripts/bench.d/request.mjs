// Chat requests over kept-alive connections, timed at their events. Plain sockets: what measures shares the cores with what is measured.
import net from 'node:net';

const idle = new Map();

/** Asks on an idle connection to that server, or on a new one. */
export async function ask(base, body) {
  const free = idle.get(base) ?? idle.set(base, []).get(base);
  let connection = free.pop();
  while (connection?.isClosed) connection = free.pop();
  connection ??= new Connection(base);
  const answer = await connection.ask(body);
  free.push(connection);
  return answer;
}

/** A connection takes one request at a time. */
export class Connection {
  #socket;
  #head;
  #current = null;

  /** Whether the server hung up, or failed, while nothing was asked. */
  isClosed = false;

  constructor(base) {
    const url = new URL(`${base}/chat/completions`);
    this.#head = `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\nContent-Length: `;
    this.#socket = net.connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    this.#socket.on('data', (bytes) => this.#receive(bytes));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** Milliseconds to the first event with text (or to the whole answer when it is not a stream), to the end, and the usage. */
  ask(body) {
    const payload = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      this.#current = { resolve, reject, isStream: payload.includes('"stream":true'), start: performance.now(), first: 0, received: null, answer: null, text: [] };
      this.#socket.write(Buffer.concat([Buffer.from(`${this.#head}${payload.length}\r\n\r\n`), payload]));
    });
  }

  /** When the first text of the next answer is there. */
  begun() {
    return new Promise((resolve) => { this.onText = resolve; });
  }

  close() {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #fail(error) {
    this.isClosed = true;
    this.#current?.reject(error);
    this.#current = null;
  }

  #receive(bytes) {
    const current = this.#current;
    if (!current) return;
    current.received = current.received ? Buffer.concat([current.received, bytes]) : bytes;
    current.answer ??= readHead(current);
    if (!current.answer) return;
    const isWhole = readBody(current);
    if (!current.first && current.text.length && (!current.isStream || current.text.some(hasText))) {
      current.first = performance.now() - current.start;
      this.onText?.();
    }
    if (isWhole) this.#finish(current);
  }

  #finish(current) {
    const end = performance.now() - current.start;
    this.#current = null;
    const text = current.text.length === 1 ? current.text[0].toString() : Buffer.concat(current.text).toString();
    if (current.answer.status !== 200) return current.reject(new Error(`${current.answer.status}: ${text.slice(0, 300)}`));
    if (current.isStream && !text.includes('[DONE]')) return current.reject(new Error(`cut: ${text.slice(-1000)}`));
    current.resolve({ first: current.first, end, usage: current.isStream ? lastUsage(text) : JSON.parse(text).usage });
  }
}

function readHead(current) {
  const end = current.received.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = current.received.latin1Slice(0, end);
  current.received = current.received.subarray(end + 4);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  return { status: Number(head.slice(9, 12)), length: length === undefined ? -1 : Number(length) };
}

/** Moves what came of the body to current.text; true when it is whole. */
function readBody(current) {
  if (current.answer.length >= 0) {
    if (current.received.length < current.answer.length) return false;
    current.text.push(current.received);
    return true;
  }

  while (true) {
    const line = current.received.indexOf('\r\n');
    if (line < 0) return false;
    const size = parseInt(current.received.latin1Slice(0, line), 16);
    if (current.received.length < line + 4 + size) return false;
    if (size === 0) return true;
    current.text.push(current.received.subarray(line + 2, line + 2 + size));
    current.received = current.received.subarray(line + 4 + size);
  }
}

const hasText = (chunk) => chunk.includes('"content":"') && /"content":"[^"]/.test(chunk.latin1Slice());

function lastUsage(text) {
  for (const line of text.split('\n').reverse()) {
    if (line.startsWith('data: {')) {
      const { usage } = JSON.parse(line.slice(6));
      if (usage) return usage;
    }
  }
  return null;
}
