// A js-libp2p peer on loopback, driven by JSON lines on stdin: {"id":1,"op":"dial",...}. Its answers and events are JSON lines on
// stdout, the first being {"peer_id":...,"addrs":[...]}. It ends when stdin closes. See README.md for the operations.
import './node20.mjs'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { autoNAT } from '@libp2p/autonat'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import { gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'

const { values: options } = parseArgs({
  options: {
    listen: { type: 'string', default: '/ip4/127.0.0.1/tcp/0' },
    topic: { type: 'string', multiple: true, default: [] },
    'kad-protocol': { type: 'string' },
    'kad-mode': { type: 'string', default: 'server' },
    'value-ns': { type: 'string', multiple: true, default: [] },
    mdns: { type: 'boolean', default: false },
    relay: { type: 'boolean', default: false },
    reserve: { type: 'string', multiple: true, default: [] }
  }
})

const ECHO = '/echo/1.0.0'
const PERF = '/perf/1.0.0'
const BLOCK = new Uint8Array(64 * 1024)

const emit = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const hex = (bytes) => Buffer.from(bytes).toString('hex')
const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'))
const utf8 = (text) => new TextEncoder().encode(text)

// The peer to talk to: an address (connects to it) or a peer id that is connected or known.
const target = (command) => command.addr != null ? multiaddr(command.addr) : peerIdFromString(command.peer)

const send = async (stream, bytes) => {
  if (!stream.send(bytes)) {
    await stream.onDrain()
  }
}

// `from` ++ seqno, as the specification and go-libp2p have it; the default of js-libp2p differs from all others.
const messageId = (message) => {
  const seqno = Buffer.alloc(8)
  seqno.writeBigUInt64BE(message.sequenceNumber)
  return new Uint8Array(Buffer.concat([message.from.toMultihash().bytes, seqno]))
}

const services = {
  identify: identify(),
  identifyPush: identifyPush(),
  ping: ping(),
  autonat: autoNAT(),
  dcutr: dcutr(),
  pubsub: gossipsub({
    msgIdFn: messageId,
    allowPublishToZeroTopicPeers: true,
    // All peers of a test share 127.0.0.1.
    scoreParams: { IPColocationFactorWeight: 0 }
  })
}

if (options['kad-protocol'] != null) {
  services.dht = kadDHT({
    protocol: options['kad-protocol'],
    clientMode: options['kad-mode'] === 'client',
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: 100,
    validators: Object.fromEntries(options['value-ns'].map((name) => [name, async () => {}])),
    selectors: Object.fromEntries(options['value-ns'].map((name) => [name, () => 0]))
  })
}

if (options.relay) {
  services.relay = circuitRelayServer()
}

const node = await createLibp2p({
  addresses: { listen: [options.listen, ...options.reserve.map((relay) => `${relay}/p2p-circuit`)] },
  transports: [tcp(), circuitRelayTransport()],
  peerDiscovery: options.mdns ? [mdns({ interval: 1000 })] : [],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false },
  connectionMonitor: { enabled: false },
  services
})

// The service punches to public addresses only; a test has none.
node.services.dcutr.getDialableMultiaddrs = (addrs) => addrs.map((bytes) => multiaddr(bytes))

const limits = { maxInboundStreams: 256, maxOutboundStreams: 256, runOnLimitedConnection: true }
const overRelay = { runOnLimitedConnection: true }

await node.handle(ECHO, async (stream) => {
  for await (const chunk of stream) {
    await send(stream, chunk)
  }
  await stream.close()
}, limits)

await node.handle(PERF, async (stream) => {
  const head = []
  let count = 0
  for await (const chunk of stream) {
    if (count < 8) {
      head.push(Buffer.from(chunk.subarray()))
    }
    count += chunk.byteLength
  }
  let wanted = Number(Buffer.concat(head).readBigUInt64BE(0))
  while (wanted > 0) {
    const length = Math.min(wanted, BLOCK.byteLength)
    await send(stream, BLOCK.subarray(0, length))
    wanted -= length
  }
  await stream.close()
}, limits)

node.addEventListener('peer:connect', (event) => emit({ event: 'connected', peer_id: event.detail.toString() }))
node.addEventListener('peer:disconnect', (event) => emit({ event: 'disconnected', peer_id: event.detail.toString() }))
node.addEventListener('peer:identify', (event) => emit({
  event: 'identified',
  peer_id: event.detail.peerId.toString(),
  agent: event.detail.agentVersion,
  protocols: event.detail.protocols,
  addrs: event.detail.listenAddrs.map(String),
  observed: event.detail.observedAddr?.toString(),
  signed_record: event.detail.signedPeerRecord != null
}))
node.addEventListener('peer:discovery', (event) => emit({ event: 'discovered', peer_id: event.detail.id.toString(), addrs: event.detail.multiaddrs.map(String) }))
node.addEventListener('peer:update', (event) => emit({
  event: 'updated',
  peer_id: event.detail.peer.id.toString(),
  protocols: event.detail.peer.protocols
}))
node.services.pubsub.addEventListener('message', (event) => emit({
  event: 'message',
  topic: event.detail.topic,
  from: event.detail.from?.toString(),
  data: hex(event.detail.data)
}))
node.services.pubsub.addEventListener('subscription-change', (event) => emit({
  event: 'subscriptions',
  peer_id: event.detail.peerId.toString(),
  subscriptions: event.detail.subscriptions.map((entry) => ({ topic: entry.topic, subscribe: entry.subscribe }))
}))

const exchange = async (stream, size) => {
  const sent = randomBytes(size)
  const received = []
  const reading = (async () => {
    for await (const chunk of stream) {
      received.push(Buffer.from(chunk.subarray()))
    }
  })()
  for (let at = 0; at < size; at += BLOCK.byteLength) {
    await send(stream, sent.subarray(at, Math.min(size, at + BLOCK.byteLength)))
  }
  await stream.close()
  await reading
  return Buffer.concat(received).equals(sent)
}

const measure = async (stream, upload, download) => {
  const start = performance.now()
  let first = null
  let received = 0
  const reading = (async () => {
    for await (const chunk of stream) {
      first ??= performance.now()
      received += chunk.byteLength
    }
  })()
  const head = Buffer.alloc(8)
  head.writeBigUInt64BE(BigInt(download))
  await send(stream, head)
  for (let left = upload; left > 0; left -= BLOCK.byteLength) {
    await send(stream, BLOCK.subarray(0, Math.min(left, BLOCK.byteLength)))
  }
  await stream.close()
  await reading
  const end = performance.now()
  return { upload_ms: (first ?? end) - start, download_ms: first == null ? 0 : end - first, received }
}

const cidOf = (key) => CID.createV1(0x55, Digest.decode(unhex(key)))

const operations = {
  dial: async (command) => {
    const connection = await node.dial(multiaddr(command.addr))
    return { peer_id: connection.remotePeer.toString(), multiplexer: connection.multiplexer, encryption: connection.encryption }
  },
  ping: async (command) => ({ ms: await node.services.ping.ping(target(command)) }),
  echo: async (command) => {
    const stream = await node.dialProtocol(target(command), ECHO, overRelay)
    return { equal: await exchange(stream, command.size ?? 1024) }
  },
  perf: async (command) => {
    const stream = await node.dialProtocol(target(command), PERF, overRelay)
    return await measure(stream, command.upload ?? 0, command.download ?? 0)
  },
  peers: async () => ({ peers: node.getConnections().map((c) => ({ peer_id: c.remotePeer.toString(), addr: c.remoteAddr.toString(), direction: c.direction, limited: c.limits != null })) }),
  protocols: async (command) => ({ protocols: (await node.peerStore.get(peerIdFromString(command.peer))).protocols }),
  handle: async (command) => { await node.handle(command.protocol, async (stream) => await stream.close(), limits); return {} },
  addrs: async () => ({ addrs: node.getMultiaddrs().map(String) }),
  reserve: async (command) => { await node.components.transportManager.listen([multiaddr(`${command.addr}/p2p-circuit`)]); return { addrs: node.getMultiaddrs().map(String) } },
  hang_up: async (command) => { await node.hangUp(peerIdFromString(command.peer)); return {} },
  // Keys of providers are multihashes in hex.
  provide: async (command) => { await node.contentRouting.provide(cidOf(command.key)); return {} },
  find_providers: async (command) => {
    const providers = []
    for await (const provider of node.contentRouting.findProviders(cidOf(command.key), { signal: AbortSignal.timeout(command.timeout_ms ?? 10_000) })) {
      providers.push({ peer_id: provider.id.toString(), addrs: provider.multiaddrs.map(String) })
      if (providers.length >= (command.count ?? 20)) {
        break
      }
    }
    return { providers }
  },
  put: async (command) => { await node.contentRouting.put(utf8(command.key), unhex(command.value)); return {} },
  get: async (command) => ({ value: hex(await node.contentRouting.get(utf8(command.key))) }),
  find_peer: async (command) => {
    const info = await node.peerRouting.findPeer(peerIdFromString(command.peer))
    return { peer_id: info.id.toString(), addrs: info.multiaddrs.map(String) }
  },
  subscribe: async (command) => { node.services.pubsub.subscribe(command.topic); return {} },
  unsubscribe: async (command) => { node.services.pubsub.unsubscribe(command.topic); return {} },
  subscribers: async (command) => ({ peers: node.services.pubsub.getSubscribers(command.topic).map(String) }),
  mesh: async (command) => ({ peers: node.services.pubsub.getMeshPeers(command.topic) }),
  publish: async (command) => {
    const result = await node.services.pubsub.publish(command.topic, unhex(command.data))
    return { recipients: result.recipients.length }
  }
}

const run = async (line) => {
  let command
  try {
    command = JSON.parse(line)
    const operation = Object.hasOwn(operations, command.op) ? operations[command.op] : null
    if (operation == null) {
      throw new Error(`unknown op '${command.op}'`)
    }
    emit({ id: command.id, ok: true, ...(await operation(command)) })
  } catch (error) {
    emit({ id: command?.id ?? null, ok: false, error: String(error?.message ?? error), name: error?.name })
  }
}

for (const topic of options.topic) {
  node.services.pubsub.subscribe(topic)
}

emit({ peer_id: node.peerId.toString(), addrs: node.getMultiaddrs().map(String) })

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => { if (line.trim() !== '') run(line) })
lines.on('close', async () => {
  await Promise.race([node.stop(), new Promise((resolve) => setTimeout(resolve, 2000))])
  process.exit(0)
})
