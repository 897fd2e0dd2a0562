/**
 * Writes `items[0].name` and `headers["x-id"]` the way Handlebars reads them: `items.[0].name`, `headers.[x-id]`. Touches only what stands
 * inside `{{…}}` and outside its strings and comments.
 */
export function dotBrackets(template: string): string {
  if (!template.includes("[")) return template;
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
    const [text, end] = dotInside(template, at);
    written += text;
    at = end;
  }
  return written + template.slice(at);
}

function isEscaped(template: string, open: number): boolean {
  return template[open - 1] === "\\" && template[open - 2] !== "\\";
}

function dotInside(template: string, start: number): [text: string, end: number] {
  let text = "";
  let at = start;
  while (at < template.length && !template.startsWith("}}", at)) {
    const character = template[at] ?? "";
    if (character === '"' || character === "'") {
      const end = closingQuote(template, at);
      text += template.slice(at, end);
      at = end;
    } else if (character === "[") {
      const end = template.indexOf("]", at);
      if (end === -1) break;
      const key = template.slice(at + 1, end);
      const quoted = /^(["'])(.*)\1$/s.exec(key);
      text += `${/[\w$\-\]]|[^\0-\x7f]/.test(template[at - 1] ?? "") ? "." : ""}[${quoted?.[2] ?? key}]`;
      at = end + 1;
    } else {
      text += character;
      at++;
    }
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
