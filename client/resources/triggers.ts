import type { Caller } from "../client.ts";
import { operations } from "../operations.gen.ts";
import { eventsOf, SILENCE_MS } from "../streaming.ts";
import type { CallOptions, Transport } from "../transport.ts";
import type { BodyOf, Item, QueryOf } from "../types.ts";

export type WebhooksResource = ReturnType<typeof webhooksOf>;
export type SchedulesResource = ReturnType<typeof schedulesOf>;

/** Where calls from outside start runs. */
export function webhooksOf({ call, list }: Caller, transport: Transport) {
  const byId = (id: string) => ({ params: { id } });
  const byDelivery = (id: string, deliveryId: string) => ({ params: { id, delivery_id: deliveryId } });
  return {
    list: (query: QueryOf<"listWebhooks"> = {}, options?: CallOptions) => list("listWebhooks", { query }, options),
    get: (id: string, options?: CallOptions) => call("getWebhook", byId(id), options),
    /** For a trigger node whose webhook was deleted: saving a graph makes the others. */
    create: (body: BodyOf<"createWebhook">, options?: CallOptions) => call("createWebhook", { body }, options),
    /** What is left out stays. */
    update: (id: string, change: BodyOf<"updateWebhook">, options?: CallOptions) => call("updateWebhook", { ...byId(id), body: change }, options),
    delete: (id: string, options?: CallOptions) => call("deleteWebhook", byId(id), options),
    enable: (id: string, options?: CallOptions) => call("enableWebhook", byId(id), options),
    disable: (id: string, options?: CallOptions) => call("disableWebhook", byId(id), options),
    /** Gives it a new token; the old one stays good for `overlap`. */
    rotate: (id: string, body: BodyOf<"rotateWebhook"> = {}, options?: CallOptions) => call("rotateWebhook", { ...byId(id), body }, options),
    /** What came in, the newest first. */
    deliveries: (id: string, query: QueryOf<"listWebhookDeliveries"> = {}, options?: CallOptions) =>
      list("listWebhookDeliveries", { ...byId(id), query }, options),
    delivery: (id: string, deliveryId: string, options?: CallOptions) => call("getWebhookDelivery", byDelivery(id, deliveryId), options),
    /** Starts another run with what was sent. */
    redeliver: (id: string, deliveryId: string, options?: CallOptions) => call("redeliverWebhook", byDelivery(id, deliveryId), options),
    /**
     * Calls as they come, of the test URL too: each when it comes and when it is answered. Ends when the server says so; `deliveries` has what was missed.
     * @throws ConnectionError where the connection breaks or is silent.
     */
    async *watch(id: string, options: Pick<CallOptions, "signal"> = {}) {
      const response = await transport.open(operations.streamWebhook, byId(id), options);
      if (!response.body) return;
      for await (const heard of eventsOf(response.body, SILENCE_MS, options.signal)) {
        if ("data" in heard && heard.event === "delivery") yield JSON.parse(heard.data) as Item<"listWebhookDeliveries">;
      }
    },
  };
}

/** What starts runs by the clock. */
export function schedulesOf({ call, list }: Caller) {
  const byId = (id: string) => ({ params: { id } });
  return {
    list: (query: QueryOf<"listSchedules"> = {}, options?: CallOptions) => list("listSchedules", { query }, options),
    get: (id: string, options?: CallOptions) => call("getSchedule", byId(id), options),
    create: (body: BodyOf<"createSchedule">, options?: CallOptions) => call("createSchedule", { body }, options),
    /** What is left out stays. */
    update: (id: string, change: BodyOf<"updateSchedule">, options?: CallOptions) => call("updateSchedule", { ...byId(id), body: change }, options),
    delete: (id: string, options?: CallOptions) => call("deleteSchedule", byId(id), options),
    /** Starts a run now. */
    trigger: (id: string, options?: CallOptions) => call("triggerSchedule", byId(id), options),
    pause: (id: string, body: BodyOf<"pauseSchedule"> = {}, options?: CallOptions) => call("pauseSchedule", { ...byId(id), body }, options),
    resume: (id: string, body: BodyOf<"resumeSchedule"> = {}, options?: CallOptions) => call("resumeSchedule", { ...byId(id), body }, options),
    /** Starts what would have been started in that time. */
    backfill: (id: string, range: BodyOf<"backfillSchedule">, options?: CallOptions) => call("backfillSchedule", { ...byId(id), body: range }, options),
    runs: (id: string, query: QueryOf<"listScheduleExecutions"> = {}, options?: CallOptions) => list("listScheduleExecutions", { ...byId(id), query }, options),
  };
}
