import { homedir } from "node:os";
import { SockError } from "../errors.ts";
import { stateFolder } from "../files/state.ts";
import type { ListedGrant } from "../server/grants.ts";
import { rightWords } from "../server/rights.ts";
import { changeCaps, listClients } from "../server/manage.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { columns } from "./columns.ts";
import { type Context, defineVerb } from "./verb.ts";

export default defineVerb({
  meta: {
    name: "clients",
    summary: "keys and codes that the server of this machine knows",
    usage: ["clients", "clients allow NAME CAP...", "clients deny NAME CAP..."],
    examples: [
      { line: "sock clients", does: "names, what they allow, until when, who used them" },
      { line: "sock clients allow kai-laptop shell", does: "from the next request on" },
    ],
  },
  args: {
    action: { type: "positional", required: false, description: "allow or deny; left out: lists" },
    name: { type: "positional", required: false, description: "a name or an id of the list" },
    caps: {
      type: "positional",
      required: false,
      variadic: true,
      description: "of echo udp chat put get ls exec shell",
    },
  },
  async run(context, { action, name, caps }) {
    const folder = stateFolder(context.env, process.platform, homedir());
    if (action === undefined) {
      showList(context, folder);
      return;
    }
    if (action !== "allow" && action !== "deny") {
      throw new SockError(
        "usage",
        `unknown action ${JSON.stringify(action)}`,
        "sock clients lists; sock clients allow NAME CAP, or deny; sock revoke NAME",
      );
    }
    const words = rightWords(caps);
    if (name === undefined || words.length === 0) {
      throw new SockError("usage", `${action} whom what?`, `sock clients ${action} NAME CAP`);
    }
    const changed = await changeCaps(folder, name, action, words);
    context.json.result({
      state: folder,
      clients: changed.map((grant) => ({ id: grant.id, name: grant.name, allows: grant.caps })),
    });
    for (const grant of changed)
      context.ui.report(`${grant.name}  allows ${grant.caps.join(" ") || "nothing"}`);
  },
});

function showList(context: Context, folder: string): void {
  const list = listClients(folder);
  context.json.result({ state: folder, clients: list.map(asEvent) });
  if (context.json.enabled) return;
  const names = new Map(list.map(({ id, grant }) => [id, grant.name]));
  context.ui.report(`list  ${escapeForDisplay(folder)}`);
  for (const line of columns(list.map((one) => row(one, names)))) context.ui.print(line);
}

function asEvent({ id, grant, state, uses }: ListedGrant): Record<string, unknown> {
  const { name, kind, caps, scope, cidr, created, expires, parent } = grant;
  return {
    id,
    name,
    kind,
    state,
    allows: caps,
    scope,
    cidr,
    created,
    expires,
    parent,
    uses: grant.uses,
    used: uses.map(({ at, from }) => ({ at, from })),
  };
}

function row({ id, grant, state, uses }: ListedGrant, names: ReadonlyMap<string, string>): string[] {
  const by = grant.parent === null ? undefined : names.get(grant.parent);
  const last = uses.at(-1);
  return [
    grant.name,
    id,
    grant.kind === "key" || grant.kind === "local" ? "key" : `${grant.kind} code`,
    state,
    by === undefined ? "" : `by ${by}`,
    grant.caps.join(" ") || "nothing",
    grant.scope === "" ? "" : `in ${escapeForDisplay(grant.scope)}`,
    grant.cidr.length === 0 ? "" : `from ${grant.cidr.join(" ")}`,
    grant.expires === null ? "" : `until ${new Date(grant.expires).toISOString()}`,
    last === undefined
      ? ""
      : `used ${uses.length} of ${grant.uses ?? 0}, last ${new Date(last.at).toISOString()} from ${escapeForDisplay(last.from)}`,
  ];
}
