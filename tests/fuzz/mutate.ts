import type { Json } from "#core";

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Random = () => number;
type Holder = Json[] | Record<string, Json>;
interface Place {
  holder: Holder;
  key: string | number;
}

const NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "length",
  "then",
  "toJSON",
  "",
  " ",
  "a.b",
  "a[0]",
  "$",
  "\u0000",
  "🧨",
];

const TEXTS = [
  ...NAMES,
  "\ud800",
  "\udfff\ud800",
  "\u202e\u200b\ufeff",
  "e\u0301".repeat(500),
  "\ufdfa".repeat(500),
  "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
  "../../etc/passwd",
  "'; drop table workflows; --",
  "${7*7}",
  "{{",
  "}}",
  "{{}}",
  "{{{{{{",
  "{{inputs.a",
  "{{inputs..a}}",
  "{{inputs.__proto__.polluted}}",
  "{{constructor.constructor('return process')()}}",
  "{{#if a}}{{/unless}}",
  "{{#each inputs}}{{#each this}}{{#each this}}{{.}}{{/each}}{{/each}}{{/each}}",
  "{{> partial}}",
  "{{lookup inputs 'a'}}",
  "{{inputs.a[9999999999999999]}}",
  "{{ 1 + }}",
  "{% for x in y %}",
  "= 1 + 1",
  "null",
  "NaN",
  "1e400",
  "9".repeat(400),
];

/** Made when they are wanted: most of them are large. */
const BOMBS: readonly ((random: Random) => Json)[] = [
  () => "{{inputs.a}}".repeat(3_000),
  () => `{{${"a.".repeat(5_000)}b}}`,
  () => `{{${"(".repeat(2_000)}1${")".repeat(2_000)}}}`,
  () => `{{${"a[".repeat(1_000)}0${"]".repeat(1_000)}}}`,
  () => "{{#each inputs}}".repeat(500),
  () => `${"(".repeat(3_000)}1${")".repeat(3_000)}`,
  () => `${"!".repeat(5_000)}true`,
  () => `${"-".repeat(5_000)}1`,
  () => Array(2_000).fill("1").join(" + "),
  () => Array(1_000).fill("a").join(" && "),
  () => `${"[".repeat(1_000)}${"]".repeat(1_000)}`,
  () => `${"a ? b : ".repeat(1_000)}c`,
  () => "[1,2,3].map(x, [1,2,3].map(y, [1,2,3].map(z, x * y * z)))",
  () => "$reduce([1..10000000], function($a, $b) { $a + $b })",
  () => "($f := function($n) { $f($n + 1) }; $f(0))",
  () => `${"$map([1..1000], function($x) {".repeat(50)}1${"})".repeat(50)}`,
  () => "^(a+)+$",
  () => "(x+x+)+y",
  () => "(a|aa)+$",
  () => "a{1,65535}{1,65535}",
  () => `${"(a?)".repeat(2_000)}${"a".repeat(100)}`,
  () => "[",
  () => ({ type: "string", pattern: "^(a+)+$" }),
  () => ({ $ref: "#" }),
  () => ({ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }),
  () => ({ type: "object", properties: { a: { $ref: "#/properties/a" } } }),
  () => nested(60, (inner) => ({ allOf: [inner, inner] as Json[] }), { type: "string" }, true),
  () => nested(95, (inner) => [inner], 1),
  () => nested(120, (inner) => ({ a: inner }), 1),
  () => nested(2_000, (inner) => [inner], 1),
  () => "x".repeat(100_000),
  () => Array.from({ length: 5_000 }, (_, index) => index),
  () => Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`key_${index}`, index])),
  () => Array.from({ length: 500 }, () => ({ id: "same", type: "Set" })),
];

const NUMBERS = [0, -0, -1, 0.1, 1e21, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 2 ** 64, Number.MAX_SAFE_INTEGER, -(2 ** 53)];

/** `shared`: both sides are the same object, so that only a reader that follows both grows. */
function nested(depth: number, wrap: (inner: Json) => Json, innermost: Json, shared = false): Json {
  let value = innermost;
  for (let level = 0; level < depth; level++) value = shared && level > 12 ? { not: value } : wrap(value);
  return value;
}

/** One to six changes of a document that was good. The document itself stays. */
export function mutate(document: Json, random: Random): Json {
  const root = { document: structuredClone(document) };
  const changes = 1 + Math.floor(random() * 6);
  for (let change = 0; change < changes; change++) changeOnce(root, random);
  return root.document;
}

function changeOnce(root: { document: Json }, random: Random): void {
  const places = placesOf(root);
  const place = pick(places, random);
  const other = pick(places, random);
  if (!place || !other) return;
  const strategies: (() => void)[] = [
    () => put(place, anything(random)),
    () => put(place, anything(random)),
    () => put(place, pick(BOMBS, random)?.(random) ?? null),
    () => put(place, structuredClone(get(other))),
    () => swap(place, other),
    () => remove(place),
    () => rename(place, pick(NAMES, random) ?? ""),
    () => add(place, random),
    () => repeat(place, random),
    () => put(place, [get(place)]),
    () => put(place, { value: get(place) }),
    () => put(place, typeof get(place) === "string" ? `${String(get(place))}${pick(TEXTS, random)}` : JSON.stringify(get(place))),
    () => tangle(root.document, random),
    () => tangle(root.document, random),
  ];
  unlessTooDeep(() => pick(strategies, random)?.());
}

/** What `work` gives; undefined where something is nested so deeply that JavaScript itself cannot copy or write it. */
export function unlessTooDeep<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Edges at random between what there is, ids that are the same, edges to nowhere. */
function tangle(document: Json, random: Random): void {
  const flow = record(record(document)?.["flow_data"]) ?? record(document);
  const nodes = Array.isArray(flow?.["nodes"]) ? flow["nodes"] : [];
  const edges = Array.isArray(flow?.["edges"]) ? flow["edges"] : [];
  const idOf = (): Json => record(pick(nodes, random) ?? null)?.["id"] ?? "nowhere";
  const count = random() < 0.02 ? 2_000 : 1 + Math.floor(random() * 5);
  for (let n = 0; n < count; n++)
    edges.push({
      source: idOf(),
      target: random() < 0.9 ? idOf() : (pick(TEXTS, random) ?? ""),
      ...(random() < 0.5 && { sourceHandle: pick(["output", "true", "false", "error", "each", "body", ...NAMES], random) ?? "" }),
    });
  const node = record(pick(nodes, random) ?? null);
  if (node && random() < 0.3) put({ holder: node, key: "id" }, idOf());
}

function anything(random: Random): Json {
  const kind = Math.floor(random() * 7);
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return pick(NUMBERS, random) ?? 0;
  if (kind <= 4) return pick(TEXTS, random) ?? "";
  if (kind === 5) return Array.from({ length: Math.floor(random() * 4) }, () => anything(random));
  const made: Record<string, Json> = {};
  for (let n = Math.floor(random() * 3); n >= 0; n--) put({ holder: made, key: pick(NAMES, random) ?? "" }, anything(random));
  return made;
}

function placesOf(root: { document: Json }): Place[] {
  const places: Place[] = [];
  const open: Holder[] = [root as unknown as Record<string, Json>];
  for (let holder = open.pop(); holder && places.length < 5_000; holder = open.pop()) {
    for (const key of Object.keys(holder)) {
      const place: Place = { holder, key: Array.isArray(holder) ? Number(key) : key };
      places.push(place);
      const value = get(place);
      if (typeof value === "object" && value !== null) open.push(value as Holder);
    }
  }
  return places;
}

function get({ holder, key }: Place): Json {
  return (holder as Record<string | number, Json>)[key] ?? null;
}

/** Also `__proto__` becomes a member of its own, as it is where JSON names it. */
function put({ holder, key }: Place, value: Json): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

function remove({ holder, key }: Place): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
}

function rename(place: Place, name: string): void {
  if (Array.isArray(place.holder)) return;
  const value = get(place);
  remove(place);
  put({ holder: place.holder, key: name }, value);
}

function add(place: Place, random: Random): void {
  const value = get(place);
  if (Array.isArray(value)) value.splice(Math.floor(random() * (value.length + 1)), 0, anything(random));
  else if (typeof value === "object" && value !== null) put({ holder: value as Record<string, Json>, key: pick(NAMES, random) ?? "" }, anything(random));
}

function repeat(place: Place, random: Random): void {
  const value = get(place);
  if (Array.isArray(value) && value.length > 0 && value.length < 200) value.push(...(structuredClone(random() < 0.5 ? value : [value[0] ?? null]) as Json[]));
}

function swap(one: Place, other: Place): void {
  const [first, second] = [structuredClone(get(one)), structuredClone(get(other))];
  put(one, second);
  put(other, first);
}

function record(value: Json | undefined): Record<string, Json> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, Json>) : undefined;
}

function pick<T>(values: readonly T[], random: Random): T | undefined {
  return values[Math.floor(random() * values.length)];
}
