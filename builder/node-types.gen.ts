/* Written by `npm run gen`. Do not edit. */
import type { Anything, TextValue, Value } from "./reference.ts";

type Conditionschema1 = boolean | string | { "left"?: unknown; "operator": "equals" | "not_equals" | "greater_than" | "greater_or_equal" | "less_than" | "less_or_equal" | "contains" | "not_contains" | "starts_with" | "ends_with" | "in" | "not_in" | "is_empty" | "is_not_empty" | "is_null" | "is_not_null" | "is_true" | "is_false"; "right"?: unknown } | Conditionschema0 | { "any": readonly (Conditionschema1)[] } | { "not": Conditionschema1 };

type Conditionschema0 = { "all": readonly (Conditionschema1)[] };

type Loopschema0 = boolean | string | { "left"?: unknown; "operator": "equals" | "not_equals" | "greater_than" | "greater_or_equal" | "less_than" | "less_or_equal" | "contains" | "not_contains" | "starts_with" | "ends_with" | "in" | "not_in" | "is_empty" | "is_not_empty" | "is_null" | "is_not_null" | "is_true" | "is_false"; "right"?: unknown } | { "all": readonly (Loopschema0)[] } | { "any": readonly (Loopschema0)[] } | { "not": Loopschema0 };

type Switchschema0 = boolean | string | { "left"?: unknown; "operator": "equals" | "not_equals" | "greater_than" | "greater_or_equal" | "less_than" | "less_or_equal" | "contains" | "not_contains" | "starts_with" | "ends_with" | "in" | "not_in" | "is_empty" | "is_not_empty" | "is_null" | "is_not_null" | "is_true" | "is_false"; "right"?: unknown } | { "all": readonly (Switchschema0)[] } | { "any": readonly (Switchschema0)[] } | { "not": Switchschema0 };

/** Every node type: what it takes, what it hands on, where edges enter and leave. */
export interface NodeTypes {
  /** Runs JavaScript in a sandbox that has the language and its three parameters: no files, no environment, no modules, no timers, and the network only where it is allowed. */
  "Code": {
    inputs: {
      /** Body of an async function of `input` (what arrives), `inputs` (the run's) and `variables`. What it returns, as JSON, is the node's value. Templates in it are not read. */
      "code": string;
      /** How long it may run, waiting included. The operator's limit (CODE_TIMEOUT_MS, 5 seconds unless set) is the default and the most. */
      "timeout"?: TextValue | Value<number>;
      /** Grants `fetch(url, {method, headers, body})`, limited as HttpRequest is; its answer has `status`, `ok`, `url`, `headers.get()`, `text()` and `json()`. */
      "allow_network"?: Value<boolean>;
    };
    output: Anything;
    enters: "input" | "code" | "timeout" | "allow_network";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Goes on by `true` or `false`. The condition is a CEL expression, a comparison, or several joined by `all`, `any`, `not`. */
  "Condition": {
    inputs: {
      /** CEL (`input.score > 5`), or `{"left": "{{input.score}}", "operator": "greater_than", "right": 5}`, or `{"all": [...]}`, `{"any": [...]}`. */
      "condition": Conditionschema1;
    };
    output: Anything;
    enters: "input" | "condition";
    leaves: "true" | "false" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Waits, durably: seconds or months, through any restart. */
  "Delay": {
    inputs: {
      /** `"30s"`, `"3 days"`, ISO 8601, or a number of seconds. */
      "duration": TextValue | Value<number>;
    };
    output: Anything;
    enters: "input" | "duration";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** What reaches it is the run's result. It does not stop what still runs. */
  "End": {
    inputs: {
      /** The result; without it, what arrives. */
      "value"?: unknown;
    };
    output: Anything;
    enters: "input" | "value";
    leaves: "error";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Sends one HTTP request and hands on the answer. Private networks are out of reach unless the operator allows them. */
  "HttpRequest": {
    inputs: {
      /** HTTP method. */
      "method"?: Value<"GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS">;
      /** Where to, with http or https. */
      "url": TextValue;
      /** Headers by name. */
      "headers"?: Value<Readonly<Record<string, TextValue>>>;
      /** Query parameters, added to those of the URL; a list repeats its name. */
      "query"?: Value<Readonly<Record<string, unknown>>>;
      /** Text as it is, anything else as JSON. Without it POST, PUT and PATCH send what arrives. */
      "body"?: unknown;
      /** The whole exchange, redirects included; 5 minutes at most. */
      "timeout"?: TextValue | Value<number>;
      /** Each target is checked like the first. */
      "follow_redirects"?: Value<boolean>;
      /** Refuse certificates that cannot be trusted. */
      "verify_tls"?: Value<boolean>;
      /** How the answer's body is read; `auto` goes by its content type. */
      "response_type"?: Value<"auto" | "json" | "text" | "binary">;
      /** A status of 400 or more is a failure. */
      "fail_on_status"?: Value<boolean>;
      /** `{type: bearer, token}`, `{type: basic, username, password}` or `{type: api_key, name, value, in}`. */
      "auth"?: Value<{ "type": Value<"none"> }> | Value<{ "type": Value<"bearer">; "token": TextValue }> | Value<{ "type": Value<"basic">; "username": TextValue; "password": TextValue }> | Value<{ "type": Value<"api_key">; "name": TextValue; "value": TextValue; "in"?: Value<"header" | "query"> }>;
      /** Id of a credential that proves who sends it, instead of `auth`. */
      "credential"?: string | null;
      /** Off takes every input as it stands. */
      "enable_templating"?: Value<boolean>;
    };
    output: { "status": number; "headers": Readonly<Record<string, string>>; "body": Anything; "elapsed_ms": number };
    enters: "input" | "method" | "url" | "headers" | "query" | "body" | "timeout" | "follow_redirects" | "verify_tls" | "response_type" | "fail_on_status" | "auth" | "enable_templating";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Waits until a person approves or rejects, for as long as it takes. */
  "HumanApproval": {
    inputs: {
      /** What is asked. */
      "prompt"?: TextValue;
      /** What the person is shown. */
      "data"?: unknown;
      /** JSON schema that the data of an answer must satisfy. */
      "schema"?: Value<Readonly<Record<string, unknown>>>;
      /** E-mail addresses of those who may answer; empty is anyone with the right to. */
      "assignees"?: Value<readonly (TextValue)[]>;
      /** How long it waits; without it, for ever. */
      "timeout"?: TextValue | Value<number>;
    };
    output: { "decision": "approved" | "rejected"; "by": string; "at": string; "comment": string | null; "data": Anything };
    enters: "input" | "prompt" | "data" | "schema" | "assignees" | "timeout";
    leaves: "approved" | "rejected" | "timeout" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Waits until a person gives data that satisfies the schema. */
  "HumanInput": {
    inputs: {
      /** What is asked. */
      "prompt"?: TextValue;
      /** JSON schema of the answer. */
      "schema"?: Value<Readonly<Record<string, unknown>>>;
      /** What the person is shown. */
      "data"?: unknown;
      /** E-mail addresses of those who may answer; empty is anyone with the right to. */
      "assignees"?: Value<readonly (TextValue)[]>;
      /** How long it waits; without it, for ever. */
      "timeout"?: TextValue | Value<number>;
    };
    output: Anything;
    enters: "input" | "prompt" | "schema" | "data" | "assignees" | "timeout";
    leaves: "output" | "timeout" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Runs its body again and again, one iteration after the other: a number of times, while a condition holds, or both. */
  "Loop": {
    inputs: {
      /** Asked before each iteration: CEL, or a comparison as in Condition. `item` is what the iteration before returned (at first, what arrives), `index` how many there were. */
      "while"?: Loopschema0;
      /** How many iterations at most. */
      "times"?: Value<number>;
      /** Reaching it with `while` still true fails. */
      "max_iterations"?: Value<number>;
    };
    output: { "last": Anything; "iterations": number };
    enters: "input" | "return" | "break" | "times" | "max_iterations";
    leaves: "body" | "done" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Runs its body for each item of a list, several at once, and collects the results in the order of the items. */
  "MapReduce": {
    inputs: {
      /** The list, or an expression that gives one. */
      "items": Value<readonly (unknown)[]>;
      /** How many at once. */
      "concurrency"?: Value<number>;
      /** What the failure of one item does: end all, leave it out, or stand as a failure in its place. */
      "on_item_error"?: Value<"fail" | "skip" | "collect">;
      /** JSONata over the collected results, `items`. */
      "reduce"?: string;
    };
    output: Anything;
    enters: "input" | "return" | "items" | "concurrency" | "on_item_error";
    leaves: "body" | "done" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Joins branches: waits for all that are taken and puts their values together. */
  "Merge": {
    inputs: {
      /** `object`: by node id; `array`: a list; `first`: the first value; `deep`: objects merged field by field, the later one wins. */
      "mode"?: Value<"object" | "array" | "first" | "deep">;
    };
    output: Anything;
    enters: "input" | "mode";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Asks a chat model of OpenAI, or of any server that speaks its language. Without a key a plainly labelled mock model answers. */
  "OpenAINode": {
    inputs: {
      /** What is asked. With neither prompt nor messages, what arrives is asked. */
      "prompt"?: TextValue | null;
      /** A conversation so far: `[{role, content}]`. */
      "messages"?: Value<readonly (Value<{ "role": Value<"system" | "user" | "assistant">; "content": TextValue }>)[]> | null;
      /** How the model is to behave. */
      "system"?: TextValue | null;
      /** Name of the model. */
      "model"?: TextValue;
      /** 0 to 2; without it, the model's own. */
      "temperature"?: Value<number> | null;
      /** Longest answer, in tokens. */
      "max_tokens"?: Value<number> | null;
      /** Share of likely tokens to choose from. */
      "top_p"?: Value<number> | null;
      /** Texts that end the answer; 4 at most. */
      "stop"?: Value<readonly (TextValue)[]>;
      /** Shows the answer while it is made. */
      "stream"?: Value<boolean>;
      /** JSON schema of the answer, which is then handed on parsed, as `json`. */
      "response_schema"?: Readonly<Record<string, unknown>> | null;
      /** Another server that speaks OpenAI's language. It is sent this node's `api_key` only. */
      "base_url"?: TextValue | null;
      /** Key for this node alone, best as `{{secrets.NAME}}`; without it, the operator's. */
      "api_key"?: TextValue | null;
      /** Id of a credential of type `openai`: its key, and its server where it names one. */
      "credential"?: string | null;
      /** The whole answer; 10 minutes at most. */
      "timeout"?: TextValue | Value<number>;
      /** Off takes every input as it stands. */
      "enable_templating"?: Value<boolean>;
    };
    output: { "text": string; "usage": { "prompt_tokens": number; "completion_tokens": number; "total_tokens": number }; "finish_reason": string; "model": string; "json"?: Anything; "mock"?: true };
    enters: "input" | "prompt" | "messages" | "system" | "model" | "temperature" | "max_tokens" | "top_p" | "stop" | "stream" | "response_schema" | "base_url" | "api_key" | "timeout" | "enable_templating";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: "model";
  };
  /** Answers the call of the webhook that started the run, while the run goes on. The first one to run answers. */
  "RespondToWebhook": {
    inputs: {
      /** HTTP status. */
      "status"?: Value<number>;
      /** Headers of the answer. Cookies, and those that protect browsers, are left out. */
      "headers"?: Value<Readonly<Record<string, unknown>>>;
      /** The answer: text as it is, anything else as JSON; without it, what arrives. */
      "body"?: unknown;
      /** `base64`: the body is text that stands for bytes. */
      "encoding"?: Value<"auto" | "base64">;
    };
    output: { "status": number; "headers": Readonly<Record<string, string>>; "body": Anything; "encoding": "auto" | "base64" };
    enters: "input" | "status" | "headers" | "body" | "encoding";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Makes an object of named values. */
  "Set": {
    inputs: {
      /** Name and value, templates anywhere. */
      "values"?: Value<Readonly<Record<string, unknown>>>;
      /** Add the values to the fields of what arrives; what is no object is kept as `input`. */
      "keep_input"?: Value<boolean>;
    };
    output: Readonly<Record<string, Anything>>;
    enters: "input" | "values" | "keep_input";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Where a run begins that a person or the API starts. Hands on the run's inputs. */
  "Start": {
    inputs: {
      /** JSON schema that the run's inputs must satisfy. */
      "schema"?: Value<Readonly<Record<string, unknown>>>;
    };
    output: Anything;
    enters: "input" | "schema";
    leaves: "error";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Runs another stored workflow as a child run. */
  "SubWorkflow": {
    inputs: {
      /** Which one, by its id. */
      "workflow_id": string;
      /** Which version; `"latest"`: the one saved last when the run starts; without it, the published one. */
      "version"?: "latest" | number;
      /** Its inputs; without them, what arrives. */
      "inputs"?: Value<Readonly<Record<string, unknown>>>;
    };
    output: Anything;
    enters: "input" | "inputs";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Goes on by the first case that fits (`case:0`, `case:1`, …), else by `default`. */
  "Switch": {
    inputs: {
      /** What `equals` is compared with; without it, what arrives. */
      "value"?: unknown;
      /** Asked in order. */
      "cases": readonly ({ "when"?: Switchschema0; "equals"?: unknown; "name"?: string })[];
    };
    output: Anything;
    enters: "input" | "value" | "cases";
    leaves: `case:${number}` | "default" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Fills a Handlebars template and hands on the text. */
  "Template": {
    inputs: {
      /** `{{path}}`, `{{#if}}`, `{{#each}}` … */
      "template": TextValue;
    };
    output: string;
    enters: "input" | "template";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Where a run begins that a schedule starts. Hands on which firing it is. */
  "TimerStartNode": {
    inputs: {
      /** How the moments are chosen. */
      "schedule_type"?: Value<"cron" | "interval" | "once" | "manual">;
      /** Minute, hour, day of month, month, day of week; with six fields, seconds first. For `cron`. */
      "cron_expression"?: TextValue;
      /** Seconds between firings. For `interval`. */
      "interval_seconds"?: Value<number>;
      /** Seconds until the only firing. For `once`. */
      "delay_seconds"?: Value<number>;
      /** Moment of the only firing, ISO 8601. For `once`. */
      "scheduled_time"?: TextValue;
      /** Of an interval: its moments are those at which the seconds since 1970 less this are a multiple of it. */
      "offset_seconds"?: Value<number>;
      /** No firing before it, ISO 8601. */
      "start_at"?: TextValue;
      /** No firing after it, ISO 8601. */
      "end_at"?: TextValue;
      /** Each firing is put off by a random part of it. */
      "jitter_seconds"?: Value<number>;
      /** What becomes of a firing that comes while the run of an earlier one has not ended. */
      "overlap_policy"?: Value<"allow_all" | "skip" | "buffer_one" | "buffer_all" | "cancel_other" | "terminate_other">;
      /** How late a firing may come after an outage. */
      "catchup_window_seconds"?: Value<number>;
      /** Handed on with what the timer says. Without templates. */
      "run_inputs"?: Value<Readonly<Record<string, unknown>>>;
      /** IANA time zone in which `cron_expression` is read. */
      "timezone"?: TextValue;
      /** Off keeps the schedule without firing. */
      "enabled"?: Value<boolean>;
      /** A firing starts a run by itself. */
      "auto_trigger_workflow"?: Value<boolean>;
      /** Firings in all; 0 is no limit. */
      "max_executions"?: Value<number>;
      /** A run that failed is started again. */
      "retry_on_failure"?: Value<boolean>;
      /** How often, with `retry_on_failure`. */
      "retry_count"?: Value<number>;
      /** Time before a run is started again. */
      "retry_delay_seconds"?: Value<number>;
    };
    output: { "scheduled_at": string; "fired_at": string; "execution_number": number };
    enters: "input" | "schedule_type" | "cron_expression" | "interval_seconds" | "delay_seconds" | "scheduled_time" | "offset_seconds" | "start_at" | "end_at" | "jitter_seconds" | "overlap_policy" | "catchup_window_seconds" | "run_inputs" | "timezone" | "enabled" | "auto_trigger_workflow" | "max_executions" | "retry_on_failure" | "retry_count" | "retry_delay_seconds";
    leaves: "error";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Shapes data with a JSONata 2 expression over all that the run has made so far. */
  "Transform": {
    inputs: {
      /** JSONata: `input.items[price > 10].{"name": name}`. */
      "expression": string;
    };
    output: Anything;
    enters: "input" | "expression";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Waits for a named event from outside; one that came earlier in the run is kept for it. */
  "WaitForEvent": {
    inputs: {
      /** Name of the event. */
      "event": TextValue;
      /** Only an event that carries this key. */
      "correlation"?: TextValue;
      /** How long it waits; without it, for ever. */
      "timeout"?: TextValue | Value<number>;
    };
    output: Anything;
    enters: "input" | "event" | "correlation" | "timeout";
    leaves: "output" | "timeout" | "error" | "compensate";
    goesOn: false;
    takes: {  };
    provides: never;
  };
  /** Waits for a moment, durably. A moment that has passed lets it go on at once. */
  "WaitUntil": {
    inputs: {
      /** ISO 8601 with `Z` or an offset; a date alone begins at midnight UTC. */
      "until": TextValue;
    };
    output: Anything;
    enters: "input" | "until";
    leaves: "error" | "compensate";
    goesOn: true;
    takes: {  };
    provides: never;
  };
  /** Where a run begins that an HTTP call from outside starts. Hands on what was sent. */
  "WebhookTrigger": {
    inputs: {
      /** Callers must send the webhook's token, unless they sign what they send. */
      "authentication_required"?: Value<boolean>;
      /** How callers sign what they send with the webhook's signing secret; then no token is asked for. */
      "signature"?: Value<"none" | "hmac" | "standard" | "github" | "stripe" | "slack">;
      /** How old, or how far ahead, the time in a signature may be. */
      "signature_tolerance_seconds"?: Value<number>;
      /** Addresses and CIDRs that may call; empty lets all. */
      "allowed_ips"?: Value<readonly (TextValue)[]>;
      /** Event types that are taken; empty takes all. */
      "allowed_event_types"?: Value<readonly (TextValue)[]>;
      /** Largest body, in KiB. */
      "max_payload_size"?: Value<number>;
      /** Calls a minute, of which two minutes' may come at once; 0 is no limit. */
      "rate_limit_per_minute"?: Value<number>;
      /** How long a caller that waits for the run's result is kept. */
      "timeout"?: TextValue | Value<number>;
      /** Whether callers wait for a Respond node or the result, or are told at once that it was taken. */
      "response_mode"?: Value<"result" | "accepted">;
      /** Browsers of other origins may call. */
      "enable_cors"?: Value<boolean>;
      /** Origins whose pages may call; `*` is all of them. */
      "cors_origins"?: Value<readonly (TextValue)[]>;
      /** Header, or template over what was sent (`{{body.id}}`), whose value names a call: the same one again finds the same run. */
      "deduplication_key"?: string;
      /** Whether a call starts a run, only feeds one that waits for it, or what fits. */
      "node_behavior"?: Value<"auto" | "start_only" | "trigger_only">;
    };
    output: { "method": string; "headers": Readonly<Record<string, string>>; "query": Readonly<Record<string, Anything>>; "body": Anything; "files": readonly (Anything)[]; "event_type": string; "delivery_id": string };
    enters: "input" | "authentication_required" | "signature" | "signature_tolerance_seconds" | "allowed_ips" | "allowed_event_types" | "max_payload_size" | "rate_limit_per_minute" | "timeout" | "response_mode" | "enable_cors" | "cors_origins" | "deduplication_key" | "node_behavior";
    leaves: "error";
    goesOn: true;
    takes: {  };
    provides: never;
  };
}
