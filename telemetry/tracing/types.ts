export type AttributeValue = string | number | boolean;
/** Ids, types, statuses and codes. Never what users or other systems put into values, headers, paths or messages. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

export interface SpanSpec {
  name: string;
  /** @default "internal" */
  kind?: "internal" | "server" | "client";
  attributes?: Attributes;
  /** `traceparent` of what it is part of. @default what is under way here */
  parent?: string | undefined;
}

/** A span that is told when it is over. */
export interface PastSpan extends SpanSpec {
  /** 16 hexadecimal digits. */
  id: string;
  parent: string;
  startedAt: Date;
  endedAt: Date;
  /** Code of the failure it ended with. */
  error?: string | null;
}

/** A span under way. */
export interface LiveSpan {
  rename(name: string): void;
  set(attributes: Attributes): void;
  /** @param code of the error table, or `error.type` of OpenTelemetry: no message. */
  failed(code: string): void;
  /** For what it calls: the header's value. Undefined where nothing is traced. */
  readonly traceparent: string | undefined;
}

/** Traces, or nothing at all where no collector is configured. Nothing here waits for the collector or fails with it. */
export interface Tracing {
  readonly isOn: boolean;
  /** Does the work within a span; what the work throws is thrown on. */
  span<T>(spec: SpanSpec, work: (span: LiveSpan) => Promise<T>): Promise<T>;
  tell(span: PastSpan): void;
  /** `traceparent` of the span under way here. */
  current(): string | undefined;
  /** `traceparent` of a new trace whose first span has this id. */
  begin(spanId: string): string;
  /** Sends what is left, for no longer than a few seconds. */
  close(): Promise<void>;
}
