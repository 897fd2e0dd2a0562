/** How keys begin that we make ourselves, of deliveries to webhooks and of runs within runs; those of bulk operations begin with a blank, which no header can. */
const OURS = /^(?:webhook|child):/;

/** An `Idempotency-Key` as it is kept: one that a caller makes never stands for a run that we start, and so keeps none from being started. */
export function callersKey(key: string): string {
  return OURS.test(key) ? `caller:${key}` : key;
}
