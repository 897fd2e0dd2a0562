/**
 * Writes paths the way Handlebars reads them: `items[0].name` as `items.[0].name`, `headers["x-id"]` as `headers.[x-id]`, `items.0` as
 * `items.[0]` (at the end of a path Handlebars takes a number, or a word like `true`, for a literal). Touches only what stands inside
 * `{{…}}` and outside its strings and comments.
 */
export function readablePaths(template: string): string {
  if (!/\[|[./](?:\d|true|false|null|undefined)/.test(template)) return template;
  let written = "";
  let at = 0;
  for (let open = template.indexOf("{{", at); open !== -1; open = template.indexOf("{{", at)) {
    written += template.slice(at, open + 2);
    at = open + 2;
    if (isEscaped(template, open)) continue;
    const comment = /^~?!(--)?/.exec(template.slice(at, at + 4));
    if (comment) {
      const end = template.indexOf(comment[1] === undefined ? "}}" : "--", at + comment[0].length);
      if (end === -1) break;
      written += template.slice(at, end);
      at = end;
      continue;
    }
    const [text, end] = readableInside(template, at);
    written += text;
    at = end;
  }
  return written + template.slice(at);
}

function isEscaped(template: string, open: number): boolean {
  return template[open - 1] === "\\" && template[open - 2] !== "\\";
}

const LITERAL_SEGMENT = /[./](\d+|true|false|null|undefined)(?=[~}\s)\]|=])/y;
const BREAKS_WORD = /[\s(=|~#^&{]/;
const ENDS_NAME = /[\w$\-\]]|[^\0-\x7f]/;

function readableInside(template: string, start: number): [text: string, end: number] {
  let text = "";
  let word = "";
  let at = start;
  while (at < template.length && !template.startsWith("}}", at)) {
    const character = template[at] ?? "";
    let piece = character;
    let length = 1;
    if (character === '"' || character === "'") {
      length = closingQuote(template, at) - at;
      piece = template.slice(at, at + length);
    } else if (character === "[") {
      const end = template.indexOf("]", at);
      if (end === -1) break;
      const key = template.slice(at + 1, end);
      const quoted = /^(["'])(.*)\1$/s.exec(key);
      piece = `${ENDS_NAME.test(template[at - 1] ?? "") ? "." : ""}[${quoted?.[2] ?? key}]`;
      length = end + 1 - at;
    } else if (character === "." || character === "/") {
      LITERAL_SEGMENT.lastIndex = at;
      const segment = word === "" || /^-?\d+$/.test(word) ? null : LITERAL_SEGMENT.exec(template);
      if (segment) {
        piece = `.[${segment[1]}]`;
        length = segment[0].length;
      }
    }
    word = BREAKS_WORD.test(character) ? "" : word.length < 40 ? word + piece : word;
    text += piece;
    at += length;
  }
  return [text, at];
}

function closingQuote(template: string, open: number): number {
  const quote = template[open];
  for (let at = open + 1; at < template.length; at++) {
    if (template[at] === quote && template[at - 1] !== "\\") return at + 1;
  }
  return template.length;
}
