import type { Metrics } from "#telemetry";

/** Counts a call of a webhook that is there by what it was answered, whether it was let in or not. */
export function countCall(metrics: Pick<Metrics, "count">, webhookId: string, status: number): void {
  metrics.count("webhook_requests_total", { webhook_id: webhookId, status: String(status) });
}
