import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Hono } from "hono";
import { accepts } from "hono/accepts";
import type { ApiEnv } from "../context.ts";
import { openApiDocument } from "../openapi.ts";
import { refuseOthers } from "../mount.ts";
import { notFound } from "../problem.ts";

/** Everything comes from this server, so the page works offline; nothing inline, nothing framed. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The only files of swagger-ui-dist that are served. */
const ASSETS: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Perdure API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: true, tryItOutEnabled: true });\n`;

/** Where to go from the address alone. */
const LINKS = { documentation: "/docs", openapi: "/openapi.json", health: "/health", api: "/api/v1" } as const;

/** `/openapi.json`, `/docs` to read it and try it, and `/`, which leads people there and tells programs of both. */
export function mountDocuments(app: Hono<ApiEnv>, version: string): void {
  const require = createRequire(import.meta.url);
  const assets = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  let description: { json: string; etag: string } | undefined;

  app.get("/", (c) => {
    const wantsPage = accepts(c, { header: "Accept", supports: ["application/json", "text/html"], default: "application/json" }) === "text/html";
    c.header("vary", "accept", { append: true });
    return wantsPage ? c.redirect(LINKS.documentation) : c.json({ name: "Perdure", version, links: LINKS });
  });

  app.on("GET", ["/docs", "/swagger-ui"], (c) => c.html(PAGE, 200, { "content-security-policy": PAGE_POLICY, "cache-control": "no-cache" }));

  app.get("/docs/:file", async (c) => {
    const name = c.req.param("file");
    if (name === "start.js") return c.body(START, 200, { "content-type": "text/javascript; charset=utf-8", "cache-control": "no-cache" });
    const type = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
    if (type === undefined) throw notFound("file");
    let bytes = assets.get(name);
    if (!bytes) {
      bytes = readFile(require.resolve(`swagger-ui-dist/${name}`)).then((buffer) => new Uint8Array(buffer));
      assets.set(name, bytes);
    }
    return c.body(await bytes, 200, { "content-type": type, "cache-control": "public, max-age=3600" });
  });

  app.get("/openapi.json", (c) => {
    if (!description) {
      const json = JSON.stringify(openApiDocument(version));
      description = { json, etag: `"${createHash("sha256").update(json).digest("base64url").slice(0, 27)}"` };
    }
    const headers = { etag: description.etag, "cache-control": "no-cache" };
    if (c.req.header("if-none-match") === description.etag) return c.body(null, 304, headers);
    return c.body(description.json, 200, { ...headers, "content-type": "application/json" });
  });

  app.on("ALL", ["/", "/docs", "/swagger-ui", "/docs/:file", "/openapi.json"], refuseOthers(["GET"]));
}
