// Throughput, set-up and ping of our libp2p stack beside js-libp2p's, in one run on one machine. Each pair is two processes on
// loopback that speak the perf protocol; both kinds of peers take the same JSON lines (scripts/interop/README.md).
//   scripts/bench-net [--size MiB] [--rounds N] [--streams N] [--no-build] [-o json]
import { spawn, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    streams: { type: 'string', default: '64' },
    'no-build': { type: 'boolean', default: false },
    output: { type: 'string', short: 'o', default: 'table' }
  }
})
const size = Number(options.size) * 1024 * 1024
const assembly = join(root, 'Cocoon.Tests/bin/Release/net10.0/Cocoon.Tests.dll')

const kinds = {
  ours: () => spawn('dotnet', [assembly, 'libp2p-peer'], { stdio: ['pipe', 'pipe', 'inherit'] }),
  js: () => spawn('node', ['peer.mjs'], { cwd: join(root, 'scripts/interop'), stdio: ['pipe', 'pipe', 'inherit'] })
}

const start = (kind) => new Promise((resolve, reject) => {
  const child = kinds[kind]()
  const calls = new Map()
  let next = 1
  const call = (op, fields = {}) => new Promise((resolve, reject) => {
    const id = next++
    calls.set(id, { resolve, reject })
    child.stdin.write(JSON.stringify({ id, op, timeout_ms: 600000, ...fields }) + '\n')
  })
  const stop = () => new Promise((resolve) => { child.on('exit', resolve); child.stdin.end() })
  child.on('error', reject)
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text)
    if (line.addrs != null && line.event == null && line.id == null) {
      resolve({ address: line.addrs[0], peer: line.peer_id, call, stop })
    } else if (line.id != null) {
      const { resolve, reject } = calls.get(line.id)
      calls.delete(line.id)
      line.ok ? resolve(line) : reject(new Error(line.error))
    }
  })
})

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]
const mbps = (bytes, ms) => Math.round(bytes * 8 / 1000 / ms)

const measure = async (kind) => {
  const [a, b] = await Promise.all([start(kind), start(kind)])
  const connect = []
  for (let i = 0; i < 5; i++) {
    const before = performance.now()
    await a.call('dial', { addr: b.address })
    connect.push(performance.now() - before)
    if (i < 4) {
      await a.call('hang_up', { peer: b.peer })
    }
  }

  const ping = []
  for (let i = 0; i < 20; i++) {
    ping.push((await a.call('ping', { peer: b.peer })).ms)
  }

  const up = []
  const down = []
  const parallel = []
  await a.call('perf', { peer: b.peer, upload: 16 << 20, download: 16 << 20 })
  for (let i = 0; i < Number(options.rounds); i++) {
    const upload = await a.call('perf', { peer: b.peer, upload: size, download: 0 })
    up.push(mbps(size, upload.upload_ms))
    const download = await a.call('perf', { peer: b.peer, upload: 0, download: size })
    down.push(mbps(size, download.download_ms))
    const streams = Number(options.streams)
    const before = performance.now()
    await Promise.all(Array.from({ length: streams }, () => a.call('perf', { peer: b.peer, upload: Math.floor(size / streams), download: 0 })))
    parallel.push(mbps(size, performance.now() - before))
  }

  await Promise.all([a.stop(), b.stop()])
  return { connect_ms: median(connect), ping_ms: median(ping), upload_mbps: median(up), download_mbps: median(down), parallel_upload_mbps: median(parallel) }
}

const build = options['no-build'] ? { status: 0 } : spawnSync('dotnet', ['build', join(root, 'Cocoon.Tests'), '-c', 'Release', '-v', 'q', '-clp:NoSummary'], { stdio: ['ignore', 2, 'inherit'] })
if (build.status !== 0) {
  process.exit(1)
}

const result = { schema: 1, size_mib: size >> 20, streams: Number(options.streams), ours: await measure('ours'), js: await measure('js') }
result.ratio = Object.fromEntries(Object.keys(result.ours).map((name) => [name, Number((result.ours[name] / result.js[name]).toFixed(2))]))
if (options.output === 'json') {
  console.log(JSON.stringify(result, null, 2))
} else {
  console.log(`perf over loopback, ${result.size_mib} MiB, ${options.rounds} rounds, medians`)
  console.table({ ours: result.ours, js: result.js, ratio: result.ratio })
}
