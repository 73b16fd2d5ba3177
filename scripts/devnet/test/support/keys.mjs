import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 key that is the same in every run. */
export function keyFrom(label) {
  const seed = createHash('sha256').update(`cocoon test key ${label}`).digest();
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x, 'base64url');
  return { publicKey, sign: (digest) => sign(null, digest, privateKey) };
}
