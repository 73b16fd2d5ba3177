import { createCipheriv, createDecipheriv, createHash, createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { TlReader, TlWriter } from './tl.mjs';

const MAX_PACKET = 16 << 20;
const HANDSHAKE_BYTES = 256;
const PRIME = (1n << 255n) - 19n;
const PKCS8 = { ed25519: '302e020100300506032b657004220420', x25519: '302e020100300506032b656e04220420' };
const SPKI_X25519 = '302a300506032b656e032100';

const ADNL_QUERY = 0xb48bf97a;
const ADNL_ANSWER = 0x0fac8416;
const TCP_PING = 0x4d082b9a;
const TCP_PONG = 0xdc69fb03;
const LITE_QUERY = 0x798c06df;

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const der = (prefix, bytes) => Buffer.concat([Buffer.from(prefix, 'hex'), bytes]);
const privateKey = (kind, bytes) => createPrivateKey({ key: der(PKCS8[kind], bytes), format: 'der', type: 'pkcs8' });

/** An Ed25519 key from a 32-byte seed. */
export function ed25519(seed) {
  const key = privateKey('ed25519', seed);
  return { seed, key, publicKey: Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x, 'base64url') };
}

/** How ADNL names a key: SHA-256(pub.ed25519 ‖ key). */
export const keyId = (publicKey) => sha256(Buffer.from('c6b41348', 'hex'), publicKey);

function power(base, exponent) {
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n, base = (base * base) % PRIME) if (exponent & 1n) result = (result * base) % PRIME;
  return result;
}

/** u = (1 + y) / (1 − y) */
function toMontgomery(edwards) {
  const y = BigInt(`0x${Buffer.from(edwards).reverse().toString('hex')}`) & ((1n << 255n) - 1n);
  const u = ((1n + y) * power((1n - y + PRIME) % PRIME, PRIME - 2n)) % PRIME;
  return Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse();
}

function sharedSecret(seed, peer) {
  const scalar = createHash('sha512').update(seed).digest().subarray(0, 32);
  const publicKey = createPublicKey({ key: der(SPKI_X25519, toMontgomery(peer)), format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: privateKey('x25519', scalar), publicKey });
}

/** The stream keys that a client chose, or `undefined` when it means another server. */
function openHandshake(identity, message) {
  if (!message.subarray(0, 32).equals(keyId(identity.publicKey))) return undefined;
  const shared = sharedSecret(identity.seed, message.subarray(32, 64));
  const digest = message.subarray(64, 96);
  const cipher = createDecipheriv('aes-256-ctr', Buffer.concat([shared.subarray(0, 16), digest.subarray(16)]), Buffer.concat([digest.subarray(0, 4), shared.subarray(20)]));
  const parameters = cipher.update(message.subarray(96));
  return sha256(parameters).equals(digest) ? parameters : undefined;
}

function packet(payload) {
  const nonce = randomBytes(32);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(64 + payload.length);
  return Buffer.concat([length, nonce, payload, sha256(nonce, payload)]);
}

async function reply(payload, answer) {
  const reader = new TlReader(payload);
  const constructor = reader.uint32();
  if (constructor === TCP_PING) return new TlWriter().uint32(TCP_PONG).uint64(reader.uint64()).end();
  if (constructor !== ADNL_QUERY) return undefined;
  const id = reader.raw(32);
  const query = new TlReader(reader.bytes());
  if (query.uint32() !== LITE_QUERY) return undefined;
  return new TlWriter().uint32(ADNL_ANSWER).raw(id).bytes(await answer(query.bytes())).end();
}

/** ADNL over TCP on loopback: `answer` maps the bytes of a lite-server function to the bytes of its answer. */
export function startAdnlServer({ port, identity, answer }) {
  const server = createServer((socket) => serve(socket, identity, answer).catch(() => socket.destroy()));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function serve(socket, identity, answer) {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  let buffer = Buffer.alloc(0);
  let decipher;
  let cipher;
  for await (const chunk of socket) {
    buffer = Buffer.concat([buffer, decipher ? decipher.update(chunk) : chunk]);
    if (!decipher) {
      if (buffer.length < HANDSHAKE_BYTES) continue;
      const parameters = openHandshake(identity, buffer.subarray(0, HANDSHAKE_BYTES));
      if (!parameters) break;
      cipher = createCipheriv('aes-256-ctr', parameters.subarray(0, 32), parameters.subarray(64, 80));
      decipher = createDecipheriv('aes-256-ctr', parameters.subarray(32, 64), parameters.subarray(80, 96));
      buffer = decipher.update(buffer.subarray(HANDSHAKE_BYTES));
      socket.write(cipher.update(packet(Buffer.alloc(0))));
    }
    while (buffer.length >= 4) {
      const length = buffer.readUInt32LE();
      if (length < 64 || length > MAX_PACKET) throw new RangeError(`packet of ${length} bytes`);
      if (buffer.length < 4 + length) break;
      const body = buffer.subarray(4, 4 + length);
      buffer = buffer.subarray(4 + length);
      const payload = body.subarray(32, -32);
      if (!sha256(body.subarray(0, -32)).equals(body.subarray(-32))) throw new RangeError('packet with a wrong checksum');
      const answered = await reply(payload, answer);
      if (answered) socket.write(cipher.update(packet(answered)));
    }
  }
  socket.destroy();
}
