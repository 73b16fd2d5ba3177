// Median, and the interval that holds the true median with at least 95 % confidence whatever the distribution (order statistics).
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function interval(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  // The largest k with P(fewer than k of n below the median) ≤ 2.5 %, n fair coins.
  let k = 0, tail = 0, ways = 1;
  for (let i = 0; i < n; i++) {
    tail += ways / 2 ** n;
    if (tail > 0.025) break;
    k = i + 1;
    ways = ways * (n - i) / (i + 1);
  }
  return k === 0 ? [sorted[0], sorted[n - 1]] : [sorted[k - 1], sorted[n - k]];
}

export const round = (value, digits = 3) => Number(value.toFixed(digits));
