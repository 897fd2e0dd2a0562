import type { History } from "@temporalio/common/lib/proto-utils.js";

type HistoryEvent = NonNullable<History["events"]>[number];

/**
 * When the longest timer of a history is to fire, in milliseconds since the epoch: what the workflow took for the present when it set it, and its length
 * from there. `-Infinity` where there is none.
 */
export function lastTimerEndsAt({ events }: History): number {
  const byId = new Map((events ?? []).map((event) => [String(event.eventId), event]));
  const ends = (events ?? []).flatMap((event) => {
    const { timerStartedEventAttributes: timer } = event;
    if (!timer) return [];
    const completed = byId.get(String(timer.workflowTaskCompletedEventId))?.workflowTaskCompletedEventAttributes;
    // The time-skipping server does not say by which task.
    return [momentOf(byId.get(String(completed?.startedEventId)) ?? event) + millisecondsOf(timer.startToFireTimeout)];
  });
  return Math.max(...ends);
}

/** By the server's clock, in milliseconds since the epoch. */
export function momentOf(event: HistoryEvent | undefined): number {
  return millisecondsOf(event?.eventTime);
}

function millisecondsOf(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6;
}
