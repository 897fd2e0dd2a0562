import { type JsonObject, PerdureError, type TenantId } from "#core";
import type { Database } from "#db";
import type { Logger } from "#platform";
import { eventJson } from "../runs/event-json.ts";
import type { ApiSettings } from "../services.ts";
import type { Message, Movement, Word } from "./bus.ts";
import { type Frame, frameOf } from "./connection.ts";
import type { Inner } from "./inner.ts";
import type { Feeds, LiveEvent } from "./feeds.ts";
import { type OrganizationFeeds, type Owner, createOrganizationFeeds } from "./organization-feeds.ts";
import type { Presence } from "./presence.ts";
import { MESSAGE_KIND } from "./rules.ts";
import type { Subscription } from "./subscription.ts";

export interface HubParts {
  readonly db: Database;
  readonly feeds: Feeds;
  readonly presence: Presence;
  readonly inner: Inner;
  readonly settings: ApiSettings;
  readonly logger: Logger;
}

/** Who in this process watches what. */
export class Hub {
  readonly parts: HubParts;
  readonly #organizations: OrganizationFeeds;
  /** By tenant and name of the topic. */
  readonly #topics = new Map<string, Set<Subscription>>();
  /** Topics about many runs that are not heard yet. */
  readonly #beginning = new Map<string, Promise<void>>();
  /** Subscriptions of each organization to topics about many runs. */
  readonly #wide = new Map<TenantId, number>();

  constructor(parts: HubParts) {
    this.parts = parts;
    const audience = {
      wants: (owner: Owner) => topicsOf(owner).some((name) => this.#topics.has(keyOf(owner.tenantId, name))),
      deliver: (owner: Owner, event: LiveEvent) => this.#runEvent(owner, event),
    };
    this.#organizations = createOrganizationFeeds(parts.db, parts.feeds, audience, parts.logger);
  }

  /** Resolves when it hears all that happens from now on. */
  async add(subscription: Subscription): Promise<void> {
    const { tenant, topic, userId } = subscription;
    const key = keyOf(tenant, topic.name);
    const subscriptions = this.#topics.get(key) ?? new Set();
    const isNew = subscriptions.size === 0;
    this.#topics.set(key, subscriptions.add(subscription));
    this.parts.presence.enter({ tenantId: tenant, topic: topic.name, userId });
    if (!isWide(topic.kind)) return;
    this.#wide.set(tenant, (this.#wide.get(tenant) ?? 0) + 1);
    if (isNew) {
      const begun = this.#organizations.follow(tenant).finally(() => this.#beginning.delete(key));
      this.#beginning.set(key, begun);
    }
    await this.#beginning.get(key);
  }

  remove(subscription: Subscription): void {
    const { tenant, topic, userId } = subscription;
    const key = keyOf(tenant, topic.name);
    const subscriptions = this.#topics.get(key);
    if (!subscriptions?.delete(subscription)) return;
    if (subscriptions.size === 0) this.#topics.delete(key);
    this.parts.presence.leave({ tenantId: tenant, topic: topic.name, userId });
    if (!isWide(topic.kind)) return;
    const left = (this.#wide.get(tenant) ?? 1) - 1;
    if (left > 0) this.#wide.set(tenant, left);
    else {
      this.#wide.delete(tenant);
      this.#organizations.leave(tenant);
    }
  }

  /** What a process says, this one too. */
  hear(word: Word): void {
    if ("message" in word) this.#message(word.message);
    else this.#movement(word.movement);
  }

  #message({ tenant, topic, id, payload, from, at }: Message): void {
    const event = (): JsonObject => ({ kind: MESSAGE_KIND, topic, payload, from, at });
    const frames = new Frames((name) => ({ type: "Broadcast", data: { topic: name, payload, id, from, at } }));
    this.#each(tenant, topic, (subscription, wants) => {
      if (wants(MESSAGE_KIND, event)) subscription.offer(frames.of(subscription.name));
    });
  }

  #movement({ tenant, topic, joined, left }: Movement): void {
    const frames = new Frames((name) => ({ type: "Presence", data: { topic: name, joined, left } }));
    this.#each(tenant, topic, (subscription) => {
      if (subscription.seesPresence) subscription.offer(frames.of(subscription.name));
    });
  }

  #runEvent(owner: Owner, event: LiveEvent): void {
    const json = (): JsonObject => eventJson(event.stored) as JsonObject;
    for (const name of topicsOf(owner)) {
      this.#each(owner.tenantId, name, (subscription, wants) => {
        if (wants(event.stored.kind, json)) subscription.happened(event, owner.workflowId);
      });
    }
  }

  /** Evaluates each rule once for all who have the same. */
  #each(tenant: string, topic: string, act: (subscription: Subscription, wants: (kind: string, event: () => JsonObject) => boolean) => void): void {
    const subscriptions = this.#topics.get(keyOf(tenant, topic));
    if (!subscriptions) return;
    const verdicts = new Map<string, boolean>();
    for (const subscription of subscriptions) {
      const { rule } = subscription;
      act(subscription, (kind, event) => {
        if (!rule) return true;
        const known = verdicts.get(rule.key);
        if (known !== undefined) return known;
        const verdict = rule.wants(kind, event);
        verdicts.set(rule.key, verdict);
        return verdict;
      });
    }
  }
}

/** One frame for each name by which a topic was asked for. */
class Frames {
  readonly #made = new Map<string, Frame>();
  readonly #make: (name: string) => unknown;

  constructor(make: (name: string) => unknown) {
    this.#make = make;
  }

  of(name: string): Frame {
    const known = this.#made.get(name);
    if (known) return known;
    const frame = frameOf(this.#make(name));
    this.#made.set(name, frame);
    return frame;
  }
}

export function isWide(kind: string): boolean {
  return kind === "organization" || kind === "workflow" || kind === "user";
}

function topicsOf({ workflowId, createdBy }: Owner): string[] {
  return ["organization", ...(workflowId === null ? [] : [`workflow:${workflowId}`]), ...(createdBy === null ? [] : [`user:${createdBy}`])];
}

function keyOf(tenant: string, topic: string): string {
  return `${tenant}/${topic}`;
}

/** @throws PerdureError `request.too_large`. */
export function checkPayload(payload: unknown, mostBytes: number): void {
  if (payload === undefined) {
    throw new PerdureError("validation.failed", "The message is not valid.", {
      findings: [{ code: "validation.required", message: "is required", path: "payload" }],
    });
  }
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  if (bytes > mostBytes) throw new PerdureError("request.too_large", `The payload has ${bytes} bytes; ${mostBytes} are the most (LIVE_PAYLOAD_MAX_BYTES).`);
}
