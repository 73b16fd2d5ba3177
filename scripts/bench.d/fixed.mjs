// An OpenAI-compatible server whose answer is fixed: whatever is measured through it is the path and not the work of a model.
import http from 'node:http';

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

const server = http.createServer((request, response) => {
  if (request.method === 'GET') {
    const known = request.url === '/v1/models';
    response.writeHead(known ? 200 : 404, { 'Content-Type': 'application/json' }).end(known ? models : '{}');
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (!JSON.parse(Buffer.concat(chunks)).stream) return response.writeHead(200, { 'Content-Type': 'application/json' }).end(whole);
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const text of events) response.write(text);
    response.end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
