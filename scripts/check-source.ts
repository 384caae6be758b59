/** Which folder of src/ may import what, and how long a file may be: `bun scripts/check-source.ts`. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export const MAX_LINES = 400;

interface Rule {
  /** Folders (or single files at the top of src/) that this one imports besides itself. Down only. */
  folders: readonly string[];
  /** Modules from outside: prefixes that end in `:` or `/`, else whole names. */
  modules: readonly string[];
}

const PURE = ["protocol", "text", "measure"];
const EVERYWHERE = ["errors", "version"];
const RUNTIME = ["node:", "bun"];

const RULES: ReadonlyMap<string, Rule> = new Map([
  ["main", { folders: ["cli", ...EVERYWHERE], modules: RUNTIME }],
  [
    "cli",
    {
      folders: ["client", "server", "plain", "files", "os", "text", "measure", ...EVERYWHERE],
      modules: [...RUNTIME, "citty", "consola/", "uplot/"],
    },
  ],
  ["client", { folders: ["transfer", "transport", "files", "os", ...PURE, ...EVERYWHERE], modules: RUNTIME }],
  ["server", { folders: ["transfer", "transport", "files", "os", ...PURE, ...EVERYWHERE], modules: RUNTIME }],
  ["plain", { folders: ["transport", "files", "os", ...PURE, ...EVERYWHERE], modules: RUNTIME }],
  ["transfer", { folders: ["transport", "files", ...PURE, ...EVERYWHERE], modules: RUNTIME }],
  ["transport", { folders: ["os", ...PURE, ...EVERYWHERE], modules: RUNTIME }],
  ["files", { folders: ["os", ...PURE, ...EVERYWHERE], modules: RUNTIME }],
  ["os", { folders: [...PURE, ...EVERYWHERE], modules: [...RUNTIME, "bun:"] }],
  ["protocol", { folders: ["text", ...EVERYWHERE], modules: [] }],
  ["measure", { folders: ["text", ...EVERYWHERE], modules: [] }],
  ["text", { folders: EVERYWHERE, modules: ["iconv-lite"] }],
  ["errors", { folders: [], modules: [] }],
  ["version", { folders: [], modules: [] }],
]);

/** Every way to name a module: `import … from`, `export … from`, `import type`, `import()`, also in types, `require()`. */
const SPECIFIER =
  /(?:(?<!["'.-])\b(?:from|import)\s*(["'])|(?:\bimport|(?<![.#\w])require)\s*\(\s*(["'`]))([^"'`\s]+)(?:\1|\2)/g;

/** What is wrong with the imports of one file; `path` is relative to src/, with `/`. */
export function importViolations(path: string, source: string): string[] {
  const own = layerOf(path);
  const rule = RULES.get(own);
  if (rule === undefined) return [`src/${path}: no rule for this folder in scripts/check-source.ts`];
  const violations: string[] = [];
  for (const [, , , specifier = ""] of source.matchAll(SPECIFIER)) {
    const target = specifier.startsWith(".")
      ? layerOf(posix.join(posix.dirname(path), specifier))
      : undefined;
    const allowed =
      target === undefined
        ? rule.modules.some((name) => matches(name, specifier))
        : target === own || rule.folders.includes(target);
    if (!allowed) violations.push(`src/${path}: ${own} may not import ${specifier}`);
  }
  return violations;
}

function matches(allowed: string, specifier: string): boolean {
  return /[:/]$/.test(allowed) ? specifier.startsWith(allowed) : specifier === allowed;
}

/** `server/put.ts` -> `server`, `errors.ts` -> `errors`, what leaves src/ -> `..`. */
function layerOf(path: string): string {
  return (path.split("/")[0] ?? path).replace(/\.ts$/, "");
}

export function lengthViolation(path: string, source: string): string[] {
  const lines = source.split("\n").length - 1;
  return lines > MAX_LINES ? [`${path}: ${lines} lines, at most ${MAX_LINES}`] : [];
}

function typescriptFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name).replaceAll("\\", "/"));
}

function check(): string[] {
  const all = ["src", "test", "scripts"].flatMap(typescriptFiles);
  return all.flatMap((path) => {
    const source = readFileSync(path, "utf8");
    const imports = path.startsWith("src/") ? importViolations(path.slice("src/".length), source) : [];
    return [...lengthViolation(path, source), ...imports];
  });
}

if (import.meta.main) {
  const violations = check();
  for (const violation of violations) console.error(violation);
  process.exit(violations.length === 0 ? 0 : 1);
}
