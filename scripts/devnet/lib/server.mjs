import { createServer } from 'node:http';
import { ApiError, invalid } from './errors.mjs';

const LOOPBACK = '127.0.0.1';
const LOOPBACK_NAMES = new Set(['127.0.0.1', 'localhost']);
const MAX_BODY_BYTES = 1 << 20;
const MAX_CONNECTIONS = 1_024;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than clients keep idle connections (60 s in .NET), so that none is closed as it is being used again. */
const KEEP_ALIVE_MS = 75_000;

/**
 * HTTP on loopback: `/api/v2/jsonRPC`, `/api/v2/<method>` and `/devnet/<call>`.
 * Resolves to the listening server; every request gets an answer, whatever it contains.
 */
export async function startServer({ port, toncenter, control }) {
  const server = createServer((request, response) => {
    handle(request, { toncenter, control })
      .catch(failure)
      .then(({ status, body }) => reply(response, status, body));
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
  return server;
}

async function handle(request, { toncenter, control }) {
  const host = (request.headers.host ?? '').replace(/:[0-9]+$/, '');
  // A web page could point a name of its own at loopback and drive the devnet from a browser.
  if (!LOOPBACK_NAMES.has(host)) throw new ApiError(403, 'the devnet answers to 127.0.0.1 and localhost only');
  if (request.method !== 'GET' && request.method !== 'POST') throw new ApiError(405, 'use GET or POST');

  const url = parseUrl(request.url);
  const query = Object.fromEntries(url.searchParams);
  const body = request.method === 'POST' ? await readJson(request) : {};

  if (url.pathname === '/api/v2/jsonRPC') {
    if (request.method !== 'POST') throw new ApiError(405, 'use POST');
    return handleRpc(toncenter, body);
  }
  const [, area, name] = /^\/(api\/v2|devnet)\/([A-Za-z]+)$/.exec(url.pathname) ?? [];
  const methods = { 'api/v2': toncenter, devnet: control }[area];
  if (!methods) throw new ApiError(404, 'no such path: use /api/v2/jsonRPC, /api/v2/<method> or /devnet/<call>');
  if (area === 'devnet' && name !== 'status' && request.method !== 'POST') throw new ApiError(405, 'use POST');
  return { status: 200, body: { ok: true, result: await invoke(methods, name, { ...query, ...body }) } };
}

async function handleRpc(methods, request) {
  const frame = { jsonrpc: '2.0', id: scalar(request.id) };
  const { method, params = {} } = request;
  try {
    if (typeof method !== 'string') throw invalid('method: missing');
    if (typeof params !== 'object' || params === null || Array.isArray(params)) throw invalid('params: not an object');
    return { status: 200, body: { ok: true, result: await invoke(methods, method, params), ...frame } };
  } catch (error) {
    const { status, body } = failure(error);
    return { status, body: { ...body, ...frame } };
  }
}

async function invoke(methods, name, params) {
  if (!Object.hasOwn(methods, name)) throw new ApiError(404, `no method ${name.slice(0, 64)}`);
  return methods[name](params);
}

function failure(error) {
  const status = error instanceof ApiError ? error.status : 500;
  const text = error instanceof ApiError ? error.message : `internal error: ${error.message}`;
  return { status, body: { ok: false, error: text, code: status } };
}

function parseUrl(target) {
  try {
    return new URL(target, `http://${LOOPBACK}`);
  } catch {
    throw new ApiError(400, 'not a URL');
  }
}

async function readJson(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new ApiError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  let value;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ApiError(400, 'the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ApiError(400, 'the body is not a JSON object');
  return value;
}

function scalar(id) {
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

function reply(response, status, body) {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    // After an oversized body the rest of it is still on the wire.
    ...(status === 413 ? { Connection: 'close' } : {}),
  });
  response.end(bytes);
}
