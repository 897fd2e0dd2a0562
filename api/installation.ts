import type { Client } from "@temporalio/client";
import proto from "@temporalio/proto";
import type { Database, InstallationNumbers } from "#db";
import type { GaugeReading } from "#telemetry";

/** What is asked of all processes together is kept so long: many readers cost one look. */
const REMEMBERED_MS = 5_000;
const { TaskQueueType, TaskQueueKind } = proto.temporal.api.enums.v1;
const TYPES = { workflow: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, activity: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY } as const;
const CALL_TIMEOUT_MS = 2_000;

export interface QueueNumbers {
  type: keyof typeof TYPES;
  /** Tasks that wait for a worker, about. */
  backlog: number;
  oldestMs: number;
  /** Pollers that Temporal has seen within minutes. */
  pollers: number;
}

/** Numbers of the installation, the same from whichever process they are asked. */
export interface Installation {
  runs(): Promise<InstallationNumbers>;
  /** @throws what the client throws where Temporal does not answer. */
  queues(): Promise<QueueNumbers[]>;
}

export function createInstallation({
  db,
  temporal,
  namespace,
  taskQueue,
}: {
  db: Pick<Database, "analytics">;
  temporal: Client;
  namespace: string;
  taskQueue: string;
}): Installation {
  async function queue(type: keyof typeof TYPES): Promise<QueueNumbers> {
    const { stats, pollers } = await temporal.connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, () =>
      temporal.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: taskQueue, kind: TaskQueueKind.TASK_QUEUE_KIND_NORMAL },
        taskQueueType: TYPES[type],
        reportStats: true,
      }),
    );
    const { seconds, nanos } = stats?.approximateBacklogAge ?? {};
    return {
      type,
      backlog: Number(stats?.approximateBacklogCount ?? 0),
      oldestMs: Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6,
      pollers: pollers?.length ?? 0,
    };
  }
  return {
    runs: remembered(() => db.analytics.installation(), REMEMBERED_MS),
    queues: remembered(() => Promise.all([queue("workflow"), queue("activity")]), REMEMBERED_MS),
  };
}

export async function runGauges({ runs }: Pick<Installation, "runs">): Promise<GaugeReading> {
  const { open, queued, oldestQueuedMs } = await runs();
  return {
    active_workflows_total: [{ labels: {}, value: open.reduce((sum, { count }) => sum + count, 0) }],
    perdure_runs_open: open.map(({ status, count }) => ({ labels: { status }, value: count })),
    perdure_runs_queued: [{ labels: {}, value: queued }],
    perdure_runs_queued_oldest_seconds: [{ labels: {}, value: oldestQueuedMs / 1000 }],
  };
}

export async function queueGauges({ queues }: Pick<Installation, "queues">): Promise<GaugeReading> {
  const found = await queues();
  return {
    perdure_task_queue_backlog: found.map(({ type, backlog }) => ({ labels: { type }, value: backlog })),
    perdure_task_queue_backlog_age_seconds: found.map(({ type, oldestMs }) => ({ labels: { type }, value: oldestMs / 1000 })),
    perdure_task_queue_pollers: found.map(({ type, pollers }) => ({ labels: { type }, value: pollers })),
  };
}

/** What was asked within `ms` is not asked again; a failure is not remembered. */
export function remembered<T>(ask: () => Promise<T>, ms: number): () => Promise<T> {
  let answer: Promise<T> | undefined;
  let askedAt = -Infinity;
  return () => {
    if (answer === undefined || performance.now() - askedAt > ms) {
      askedAt = performance.now();
      const asked = ask();
      answer = asked;
      asked.catch(() => {
        if (answer === asked) answer = undefined;
      });
    }
    return answer;
  };
}
