// One chat request over a kept-alive connection, timed at its events, with as little work of our own as possible.
import http from 'node:http';

export const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

/** Milliseconds to the first event with text (or to the whole answer when it is not a stream), to the end, and the usage. */
export function ask(base, body, used = agent) {
  const payload = Buffer.from(JSON.stringify(body));
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(`${base}/chat/completions`, {
      method: 'POST', agent: used, headers: { 'Content-Type': 'application/json', 'Content-Length': payload.length },
    }, (response) => {
      const chunks = [];
      let first = 0;
      response.on('data', (chunk) => {
        if (!first && (!body.stream || chunk.includes('"content":"') && !/"content":""/.test(chunk.toString('latin1').slice(-200)))) first = performance.now() - start;
        chunks.push(chunk);
      });
      response.on('end', () => {
        const end = performance.now() - start;
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode !== 200) return reject(new Error(`${response.statusCode}: ${text.slice(0, 300)}`));
        const usage = body.stream ? lastUsage(text) : JSON.parse(text).usage;
        if (body.stream && !text.includes('[DONE]')) return reject(new Error(`cut: ${text.slice(-300)}`));
        resolve({ first, end, usage });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(payload);
  });
}

function lastUsage(text) {
  for (const line of text.split('\n').reverse()) {
    if (line.startsWith('data: {')) {
      const { usage } = JSON.parse(line.slice(6));
      if (usage) return usage;
    }
  }
  return null;
}
