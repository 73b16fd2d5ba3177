// What measured processes take, as the kernel counts it (Linux).
import { readFileSync } from 'node:fs';
import { round } from './statistics.mjs';

const SAMPLE_MS = 100;

/** Milliseconds of processor time of these processes up to now, ended threads included; exact to 10 ms (USER_HZ is 100 on every Linux port). */
export function processorTime(pids) {
  let ticks = 0;
  for (const pid of pids ?? []) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10;
}

/** Looks at processes' memory as long as they are measured: what they have at the end says nothing about the load before. */
export class Residence {
  constructor(pids) {
    this.pids = pids;
    this.most = Object.fromEntries(Object.keys(pids).map((name) => [name, { most_mb: 0, most_anonymous_mb: 0 }]));
    this.timer = setInterval(() => this.look(), SAMPLE_MS);
  }

  look() {
    for (const [name, pid] of Object.entries(this.pids)) {
      const { resident, anonymous } = residentMemory(pid);
      const most = this.most[name];
      most.most_mb = Math.max(most.most_mb, resident);
      most.most_anonymous_mb = Math.max(most.most_anonymous_mb, anonymous);
      Object.assign(most, { last_mb: resident, last_anonymous_mb: anonymous });
    }
  }

  /** No more looks; what was seen. */
  stop() {
    clearInterval(this.timer);
    return this.most;
  }
}

/** Megabytes of all resident pages, and of those that no file is behind; mapped weights are the same pages for all. */
function residentMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name) => round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024, 1);
  return { resident: megabytes('VmRSS'), anonymous: megabytes('RssAnon') };
}
