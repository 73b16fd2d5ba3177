// An OpenAI-compatible server whose answer is fixed and costs next to nothing: whatever is measured through it is the path.
import net from 'node:net';

const ANSWER = 'The answer is fixed.';
const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
const event = (data) => `data: ${JSON.stringify({ id: 'fixed', object: 'chat.completion.chunk', created: 1, model: 'fixed', ...data })}\n\n`;
const events = [
  event({ choices: [{ index: 0, delta: { role: 'assistant', content: ANSWER }, finish_reason: null }] }),
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  event({ choices: [], usage }),
  'data: [DONE]\n\n',
];
const whole = JSON.stringify({
  id: 'fixed', object: 'chat.completion', created: 1, model: 'fixed', usage,
  choices: [{ index: 0, message: { role: 'assistant', content: ANSWER }, finish_reason: 'stop' }],
});
const models = JSON.stringify({ object: 'list', data: [{ id: 'fixed', object: 'model', max_model_len: 131072 }] });

const respond = (status, type, body) => Buffer.from(`HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
const chunked = (parts) => parts.map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join('') + '0\r\n\r\n';
const answers = {
  models: respond('200 OK', 'application/json', models),
  missing: respond('404 Not Found', 'application/json', '{}'),
  whole: respond('200 OK', 'application/json', whole),
  stream: Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(events)}`),
};

const server = net.createServer({ noDelay: true }, (socket) => {
  let received = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    received = received.length ? Buffer.concat([received, bytes]) : bytes;
    while (true) {
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = received.latin1Slice(0, end);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      const isStream = received.subarray(end + 4, end + 4 + length).includes('"stream":true');
      received = received.subarray(end + 4 + length);
      socket.write(head.startsWith('GET /v1/models ') ? answers.models : head.startsWith('GET ') ? answers.missing : isStream ? answers.stream : answers.whole);
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
