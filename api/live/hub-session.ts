import { PerdureError, isUuid } from "#core";
import type { Logger } from "#platform";
import { notFound } from "../problem.ts";
import { type Caller } from "../security/caller.ts";
import { CLOSE, type Connection, type Guest } from "./connection.ts";
import { type Hub, isWide } from "./hub.ts";
import { type HubRequest, type Wanted, readHubRequest } from "./hub-messages.ts";
import { problemMessage, problemOf } from "./problem-message.ts";
import { createRule } from "./rules.ts";
import { Subscription } from "./subscription.ts";
import { mayWatch, readTopic } from "./topics.ts";

/** Of a list of watchers on a connection; the route of the same tells of more. */
export const WATCHERS_SHOWN = 100;

/** What one connection has asked the hub for. */
export class HubSession implements Guest {
  readonly #hub: Hub;
  readonly #connection: Connection;
  readonly #address: string;
  readonly #logger: Logger;
  readonly #subscriptions = new Map<string, Subscription>();
  #dropped: Map<string, number> | undefined;

  constructor(hub: Hub, connection: Connection, address: string) {
    this.#hub = hub;
    this.#connection = connection;
    this.#address = address;
    this.#logger = hub.parts.logger;
    const { LIVE_TOPICS_MAX, LIVE_PAYLOAD_MAX_BYTES } = hub.parts.settings;
    const { tenantId, userId } = this.#caller.principal;
    this.#say("Welcome", {
      organization_id: tenantId,
      user_id: userId,
      limits: { topics: LIVE_TOPICS_MAX, payload_bytes: LIVE_PAYLOAD_MAX_BYTES },
    });
  }

  get #caller(): Caller {
    const { caller } = this.#connection;
    if (!caller) throw new PerdureError("internal", "A connection of the hub has no caller.");
    return caller;
  }

  async message(text: string): Promise<void> {
    let request: HubRequest | undefined;
    try {
      request = readHubRequest(text);
      await this.#answer(request);
    } catch (error) {
      this.#say("Error", problemMessage(error, this.#logger), request?.id);
    }
  }

  /** Nothing that is kept nowhere reaches it from now on; events of runs wait in the log. */
  lagging(): void {
    this.#say("Lagging", {});
  }

  caughtUp(): void {
    this.#say("CaughtUp", { dropped: Object.fromEntries(this.#dropped ?? []) });
    this.#dropped = undefined;
  }

  closed(): void {
    for (const subscription of this.#subscriptions.values()) this.#end(subscription);
  }

  async #answer(request: HubRequest): Promise<void> {
    const { id } = request;
    switch (request.type) {
      case "subscribe":
        return this.#subscribe(request.data.topics, request.data.presence ?? false, id);
      case "unsubscribe": {
        const { principal } = this.#caller;
        for (const name of request.data.topics) {
          const subscription = this.#subscriptions.get(readTopic(name, principal).name);
          if (subscription) this.#end(subscription);
        }
        return this.#say("Unsubscribed", { topics: request.data.topics }, id);
      }
      case "broadcast": {
        const { topic, payload } = request.data;
        const answer = await this.#hub.parts.inner(this.#caller, this.#address, { method: "POST", path: "/api/v1/live/messages", body: { topic, payload } });
        if (!answer.ok) return this.#say("Error", { ...(await problemOf(answer)), topic }, id);
        return id === undefined ? undefined : this.#say("Published", await answer.json(), id);
      }
      case "presence":
        return this.#showWatchers(request.data.topic, id);
      case "ping":
        return this.#say("Pong", {}, id);
    }
  }

  async #subscribe(topics: readonly Wanted[], presence: boolean, id: string | undefined): Promise<void> {
    const begun: { subscription: Subscription; begin: () => void }[] = [];
    for (const wanted of topics) {
      try {
        begun.push(await this.#begin(wanted, wanted.presence ?? presence));
      } catch (error) {
        this.#say("Error", { ...problemMessage(error, this.#logger), topic: wanted.topic }, id);
      }
    }
    if (begun.length === 0) return;
    this.#say("Subscribed", { topics: begun.map(({ subscription }) => subscription.name) }, id);
    for (const { subscription, begin } of begun) {
      if (subscription.seesPresence) await this.#showWatchers(subscription.name);
      begin();
    }
  }

  /** @returns what lets events flow, once its caller has been told. */
  async #begin(wanted: Wanted, seesPresence: boolean): Promise<{ subscription: Subscription; begin: () => void }> {
    const { db, feeds, settings } = this.#hub.parts;
    const { principal } = this.#caller;
    const topic = readTopic(wanted.topic, principal);
    const rule = createRule(wanted);
    await mayWatch(topic, principal, db);
    const before = this.#subscriptions.get(topic.name);
    if (!before && this.#subscriptions.size >= settings.LIVE_TOPICS_MAX) {
      throw new PerdureError("rate.limited", `A connection has ${settings.LIVE_TOPICS_MAX} topics at most (LIVE_TOPICS_MAX).`);
    }
    const resumed = isWide(topic.kind) ? await this.#resumed(wanted, topic) : undefined;
    if (before) this.#end(before);
    const subscription = new Subscription({
      connection: this.#connection,
      tenant: principal.tenantId,
      userId: principal.userId,
      topic,
      name: wanted.topic,
      rule,
      seesPresence,
      onDropped: (name) => (this.#dropped ??= new Map()).set(name, (this.#dropped.get(name) ?? 0) + 1),
      onEnded: (ended) => {
        this.#end(ended);
        this.#say("Ended", { topic: ended.name });
      },
      onFailed: () => this.#connection.close(CLOSE.failed, "The log could not be read: connect again and go on from the last id."),
    });
    this.#subscriptions.set(topic.name, subscription);
    if (!this.#connection.isOpen) {
      this.#subscriptions.delete(topic.name);
      throw new PerdureError("request.malformed", "The connection has been closed.");
    }
    try {
      await this.#hub.add(subscription);
    } catch (error) {
      this.#end(subscription);
      throw error;
    }
    return {
      subscription,
      begin: () => {
        if (this.#subscriptions.get(topic.name) !== subscription) return;
        if (topic.kind === "run") {
          const after = typeof wanted.after === "number" ? wanted.after : 0;
          subscription.stop = feeds.watch(principal.tenantId, topic.id, after, subscription.sink);
        } else if (resumed) void subscription.resume(resumed, db.runs);
      },
    };
  }

  /** Runs that a topic about many of them is resumed with: those that are named, and those that began since. */
  async #resumed(
    { after, since }: Wanted,
    topic: ReturnType<typeof readTopic>,
  ): Promise<Map<string, { after: number; workflowId: string | null }> | undefined> {
    if (typeof after === "number") {
      throw new PerdureError("validation.failed", "The message is not valid.", {
        findings: [{ code: "validation.after", message: "is an object of run ids and numbers, for a topic about many runs", path: "after" }],
      });
    }
    if (after === undefined && since === undefined) return undefined;
    const { db, settings } = this.#hub.parts;
    const { tenantId } = this.#caller.principal;
    const most = settings.LIVE_RESUME_RUNS_MAX;
    const resumed = new Map<string, { after: number; workflowId: string | null }>();
    const belongs = (run: { workflowId: string | null; createdBy: string | null }): boolean =>
      topic.kind === "workflow" ? run.workflowId === topic.id : topic.kind === "user" ? run.createdBy === topic.id : true;
    const entries = Object.entries(after ?? {});
    if (entries.length > most) throw tooManyRuns(most);
    for (const [id, last] of entries) {
      const run = isUuid(id) ? await db.runs.get(tenantId, id) : undefined;
      if (!run || !belongs(run)) throw notFound("execution");
      resumed.set(id, { after: last, workflowId: run.workflowId });
    }
    if (since !== undefined) {
      const filter = { from: new Date(since), ...(topic.kind === "workflow" && { workflowId: topic.id }) };
      const { rows, nextCursor } = await db.runs.list(tenantId, filter, { limit: most });
      if (nextCursor !== undefined) throw tooManyRuns(most);
      for (const run of rows.toReversed()) if (belongs(run) && !resumed.has(run.id)) resumed.set(run.id, { after: 0, workflowId: run.workflowId });
    }
    return resumed;
  }

  async #showWatchers(name: string, id?: string): Promise<void> {
    const { db } = this.#hub.parts;
    const { principal } = this.#caller;
    const topic = readTopic(name, principal);
    if (!this.#subscriptions.has(topic.name)) await mayWatch(topic, principal, db);
    this.#say("Presence", { topic: name, ...(await db.live.watchers(principal.tenantId, topic.name, WATCHERS_SHOWN)) }, id);
  }

  #end(subscription: Subscription): void {
    if (this.#subscriptions.get(subscription.topic.name) === subscription) this.#subscriptions.delete(subscription.topic.name);
    subscription.end();
    this.#hub.remove(subscription);
  }

  #say(type: string, data: unknown, id?: string): void {
    this.#connection.send(JSON.stringify({ type, data, ...(id !== undefined && { id }) }));
  }
}

function tooManyRuns(most: number): PerdureError {
  return new PerdureError("request.too_large", `A topic is resumed with ${most} runs at most (LIVE_RESUME_RUNS_MAX): read the others by GET /executions.`);
}
