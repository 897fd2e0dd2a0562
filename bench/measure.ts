export interface Sample {
  ours: number[];
  baseline: number[];
}

/** Takes turns, so that whatever else the machine does falls on both alike. The first `warm` of each do not count. */
export async function alternate(times: number, warm: number, ours: () => Promise<unknown>, baseline: () => Promise<unknown>): Promise<Sample> {
  const sample: Sample = { ours: [], baseline: [] };
  for (let turn = -warm; turn < times; turn++) {
    for (const [name, run] of [
      ["baseline", baseline],
      ["ours", ours],
    ] as const) {
      const took = await timed(run);
      if (turn >= 0) sample[name].push(took);
    }
  }
  return sample;
}

export async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Runs per second of `total` runs, `concurrent` at a time. */
export async function throughput(total: number, concurrent: number, run: () => Promise<unknown>): Promise<number> {
  let left = total;
  const took = await timed(() =>
    Promise.all(
      Array.from({ length: concurrent }, async () => {
        while (left-- > 0) await run();
      }),
    ),
  );
  return (total / took) * 1000;
}

/** Runs per second of both, in turns of `total` runs each, so that neither has a better moment than the other: the median of the turns. */
export async function alternateThroughput(
  turns: number,
  total: number,
  concurrent: number,
  ours: () => Promise<unknown>,
  baseline: () => Promise<unknown>,
): Promise<{ ours: number; baseline: number }> {
  const rates = { ours: [] as number[], baseline: [] as number[] };
  for (let turn = 0; turn < turns; turn++) {
    rates.baseline.push(await throughput(total, concurrent, baseline));
    rates.ours.push(await throughput(total, concurrent, ours));
  }
  return { ours: percentile(rates.ours, 0.5), baseline: percentile(rates.baseline, 0.5) };
}

/** Nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] ?? Number.NaN;
}
