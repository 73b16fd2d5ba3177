// What people see: progress on stderr, the summary on stdout.

export function progress(text) {
  process.stderr.write(`· ${text}\n`);
}

/** nanoTON (decimal string or bigint) as TON. */
export function ton(nano) {
  const value = BigInt(nano);
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString().padStart(10, '0');
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

export function printSummary(r, network) {
  const delta = BigInt(r.provider_balance_after_nanoton) - BigInt(r.provider_balance_before_nanoton);
  const lines = [
    ['tier', `${r.tier} (evidence: ${r.evidence_kind}${r.evidence_kind === 'simulated' ? ', no hardware protects the prompt from the machine\'s owner' : ''})`],
    ['provider', r.provider_peer_id],
    ['model', `${r.model.name}  id ${r.model.id.slice(0, 16)}…  sha256 ${r.model.sha256.slice(0, 16)}…`],
    ['speed', `TTFT ${r.ttft_ms} ms, ${r.tokens_per_second} tokens/s (shape ${r.shape})`],
    ['tokens', `${r.usage.prompt_tokens} in, ${r.usage.completion_tokens} out`],
    ['cost', `${r.cost_nanoton} nanoTON; ${r.vouchers.count} vouchers, ${r.vouchers.total_nanoton} nanoTON in all`],
    ['channel', r.channel_address],
    ['settled by', r.settle_tx],
    ['provider got', `${ton(r.provider_balance_before_nanoton)} → ${ton(r.provider_balance_after_nanoton)} TON  (${delta < 0n ? '' : '+'}${delta} = ${r.vouchers.total_nanoton} − ${r.provider_receipt_fees_nanoton} charged on receipt${r.settled_by === 'claim' ? ` − ${r.claim_fees_nanoton} for the claim` : ''})`],
    ['client paid', `${ton(r.client_balance_before_nanoton)} → ${ton(r.client_balance_after_nanoton)} TON  (network fees ${r.fees_nanoton} nanoTON${r.settled_by === 'claim' ? `, ${ton(r.left_in_channel_nanoton)} TON still in the channel` : ''})`],
    ['receipt', `${r.receipt_valid ? 'valid' : 'NOT VALID'}: ./scripts/cocoon verify --allow-open ${r.receipt_path}`],
    ['time', `${r.seconds} s`],
  ];
  console.log();
  for (const [label, value] of lines) console.log(`${label.padEnd(13)} ${value}`);
  if (!r.base_url) return;
  console.log(`
The network stays up. OpenAI base URL: ${r.base_url}

  curl ${r.base_url}/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model":"${r.model.name}","stream":true,"temperature":0,"messages":[{"role":"user","content":"How do payments work?"}]}'

  export COCOON_DATA=${network.client.data}    # then: ./scripts/cocoon status, peers, offers, channels, chat
  ./scripts/demo --stop`);
}
