// Our libp2p stack beside js-libp2p's, in one run on one machine: throughput, set-up and ping of two processes on loopback that
// speak the perf protocol; both kinds of peers take the same JSON lines (README.md here). Then what our stack alone is held to:
// memory of idle connections, gossip messages validated on one core, allocations per frame.
//   scripts/bench-net [--size MiB] [--rounds N] [--streams N] [--no-build] [-o json]
// Exit code 1: a target is missed.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
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
      resolve({ address: line.addrs[0], peer: line.peer_id, pid: child.pid, call, stop })
    } else if (line.id != null) {
      const { resolve, reject } = calls.get(line.id)
      calls.delete(line.id)
      line.ok ? resolve(line) : reject(new Error(line.error))
    }
  })
})

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]
const mbps = (bytes, ms) => Math.round(bytes * 8 / 1000 / ms)

// Processor seconds of a process, which what else the machine does hardly moves; NaN where the system does not tell.
const processor = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9, 0)
  } catch {
    return NaN
  }
}

// Both pairs run at the same time and take turns, so that what else the machine does meets both.
const measure = async () => {
  const kinds = ['ours', 'js']
  const streams = Number(options.streams)
  const pairs = {}
  for (const kind of kinds) {
    pairs[kind] = await Promise.all([start(kind), start(kind)])
  }
  const samples = Object.fromEntries(kinds.map((kind) => [kind, { connect_ms: [], ping_ms: [], upload_mbps: [], download_mbps: [], parallel_upload_mbps: [], upload_cpu_s: [], parallel_upload_cpu_s: [] }]))
  const inTurns = async (times, measureOne) => {
    for (let i = 0; i < times; i++) {
      for (const kind of kinds) {
        await measureOne(samples[kind], ...pairs[kind], i)
      }
    }
  }

  // js-libp2p takes five inbound connections a second from one address.
  const connects = 5
  await inTurns(connects, async (into, a, b, i) => {
    const before = performance.now()
    await a.call('dial', { addr: b.address })
    into.connect_ms.push(performance.now() - before)
    if (i < connects - 1) {
      await a.call('hang_up', { peer: b.peer })
    }
  })
  const parallel = (a, b, bytes) => Promise.all(Array.from({ length: streams }, () => a.call('perf', { peer: b.peer, upload: Math.floor(bytes / streams), download: 0 })))

  // Both ways of sending are warmed up: what is measured is no compiler.
  await inTurns(1, async (into, a, b) => {
    await a.call('perf', { peer: b.peer, upload: 256 << 20, download: 256 << 20 })
    await parallel(a, b, 256 << 20)
  })
  await inTurns(100, async (into, a, b) => { into.ping_ms.push((await a.call('ping', { peer: b.peer })).ms) })
  await inTurns(Number(options.rounds), async (into, a, b) => {
    const cpu = () => processor(a.pid) + processor(b.pid)
    const atFirst = cpu()
    into.upload_mbps.push(mbps(size, (await a.call('perf', { peer: b.peer, upload: size, download: 0 })).upload_ms))
    into.upload_cpu_s.push(cpu() - atFirst)
    into.download_mbps.push(mbps(size, (await a.call('perf', { peer: b.peer, upload: 0, download: size })).download_ms))
    const [before, spent] = [performance.now(), cpu()]
    await parallel(a, b, size)
    into.parallel_upload_mbps.push(mbps(size, performance.now() - before))
    into.parallel_upload_cpu_s.push(cpu() - spent)
  })
  await Promise.all(kinds.flatMap((kind) => pairs[kind].map((peer) => peer.stop())))
  return Object.fromEntries(kinds.map((kind) => [kind, Object.fromEntries(Object.entries(samples[kind]).map(([name, values]) => [name, median(values)]))]))
}

// One line of JSON from the part of the benchmark that is ours alone; on one core if the machine can be told so.
const own = (part, oneCore = false) => {
  const command = ['dotnet', assembly, 'net-bench', part]
  const pinned = oneCore && spawnSync('taskset', ['--version']).status === 0
  const { status, stdout } = pinned
    ? spawnSync('taskset', ['-c', '0', ...command], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
    : spawnSync(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (status !== 0) {
    throw new Error(`net-bench ${part} failed`)
  }
  return JSON.parse(stdout)
}

const build = options['no-build'] ? { status: 0 } : spawnSync('dotnet', ['build', join(root, 'Cocoon.Tests'), '-c', 'Release', '-v', 'q', '-clp:NoSummary'], { stdio: ['ignore', 2, 'inherit'] })
if (build.status !== 0) {
  process.exit(1)
}

const { ours, js } = await measure()
const idle = own('idle')
const gossip = own('gossip', true)
const frames = own('frames')

const ratio = (name) => ours[name] / js[name]
const streams = Number(options.streams)
const atLeast = (what, value, target, unit, detail) => ({ what, value, target, unit, holds: value >= target, at: 'least', detail })
const atMost = (what, value, target, unit, detail) => ({ what, value, target, unit, holds: value <= target, at: 'most', detail })
const rows = [
  atLeast('upload / js', ratio('upload_mbps'), 3, '×', `${ours.upload_mbps} / ${js.upload_mbps} Mbit/s`),
  atLeast('download / js', ratio('download_mbps'), 3, '×', `${ours.download_mbps} / ${js.download_mbps} Mbit/s`),
  atLeast(`${streams} streams / one stream`, ours.parallel_upload_mbps / ours.upload_mbps, 0.9, '×', `${ours.parallel_upload_mbps} / ${ours.upload_mbps} Mbit/s (js ${js.parallel_upload_mbps}); processor time ${(ours.parallel_upload_cpu_s / ours.upload_cpu_s).toFixed(2)} ×`),
  atMost('connection set-up / js', ratio('connect_ms'), 1, '×', `${ours.connect_ms.toFixed(2)} / ${js.connect_ms.toFixed(2)} ms`),
  atMost('ping on an idle connection', ours.ping_ms, 0.5, 'ms', `js ${js.ping_ms.toFixed(2)} ms`),
  atMost(`${idle.connections} idle connections`, idle.megabytes, 60, 'MB', `${idle.kilobytes_each.toFixed(1)} KB each`),
  atLeast('gossip validated / bare verification', gossip.ratio, 0.75, '×', `${Math.round(gossip.validated_per_second)} / ${Math.round(gossip.verified_per_second)} per second, ${gossip.cores} core`),
  // What a stream takes for itself is measured apart and told beside.
  atMost('allocated a full frame, sent and received', frames.bytes_a_full_frame, 1, 'B', `${frames.full_frames} frames; a stream itself ${(frames.bytes_a_stream / 1000).toFixed(0)} KB`),
  atMost('allocated a small frame, sent and received', frames.bytes_a_small_frame, 1, 'B', `${frames.small_frames} frames`)
]
const result = { schema: 2, size_mib: size >> 20, streams, rounds: Number(options.rounds), ours, js, idle, gossip, frames, targets: rows }
if (options.output === 'json') {
  console.log(JSON.stringify(result, null, 2))
} else {
  console.log(`perf over loopback, ${result.size_mib} MiB, ${options.rounds} rounds, medians`)
  const table = rows.map((row) => [row.what, `${row.value.toFixed(2)} ${row.unit}`, `${row.at === 'least' ? '≥' : '≤'} ${row.target} ${row.unit}`, row.holds ? 'holds' : 'MISSED', row.detail])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column].length)))
  table.forEach((row) => console.log(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()))
}
process.exit(rows.every((row) => row.holds) ? 0 : 1)
